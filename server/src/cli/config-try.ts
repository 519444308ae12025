import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { LatchkeyError } from '@latchkey/client';
import type { Settings } from '../config/settings.ts';
import { tryRedis } from './redis-try.ts';

/**
 * Tries what the settings name, and leaves everything as it was. Answers with a line for each thing.
 * @throws LatchkeyError of the first fault, with a line for each
 */
export async function tryConfigured(settings: Settings): Promise<readonly string[]> {
  const tried = [
    tryData(settings.data),
    await tryListening(settings.http),
    ...(await Promise.all(
      settings.sources.filter(({ url }) => url !== 'resp').map((source) => tryRedis(`sources ${source.name}`, source)),
    )),
    ...(await Promise.all(settings.sinks.map((sink) => tryRedis(`sinks ${sink.name}`, sink)))),
  ];
  const faults = tried.filter((each) => each instanceof LatchkeyError);
  const [first] = faults;
  if (first === undefined) return tried.map(String);
  if (faults.length === 1) throw first;
  const message = `${faults.length} things are not as configured:\n  ${faults.map((each) => each.message).join('\n  ')}`;
  throw new LatchkeyError(first.code, message, {
    extra: { faults: faults.map(({ code, message: says }) => ({ code, says })) },
  });
}

function tryData(directory: string): string | LatchkeyError {
  // A directory that is not there is made at the start, so the nearest one that is there has to take it.
  let place = directory;
  while (!existsSync(place) && dirname(place) !== place) place = dirname(place);
  const why = whyNotWritable(place);
  if (why !== undefined) {
    const message = `data: ${place} ${why}, so ${directory} can't be used; check its path and permissions.`;
    return new LatchkeyError('data-unwritable', message, { field: 'data' });
  }
  return place === directory ? `data: ${directory} can be written` : `data: ${directory} will be made`;
}

function whyNotWritable(place: string): string | undefined {
  try {
    if (!statSync(place).isDirectory()) return 'is no directory';
    accessSync(place, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return `can't be written (${(error as NodeJS.ErrnoException).code})`;
  }
}

function tryListening({ host, port }: Settings['http']): Promise<string | LatchkeyError> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', ({ code }: NodeJS.ErrnoException) => {
      const isTaken = code === 'EADDRINUSE';
      const says = isTaken
        ? 'is taken: does a server run there already? Stop it, or choose another port'
        : `can't be listened on (${code}): is http.host an address of this machine, and the port allowed`;
      resolve(
        new LatchkeyError(isTaken ? 'address-in-use' : 'address-refused', `http: ${host}:${port} ${says}.`, {
          field: 'http.port',
        }),
      );
    });
    server.listen({ host, port }, () => {
      server.close(() => resolve(port === 0 ? `http: ${host} can be listened on` : `http: ${host}:${port} is free`));
    });
  });
}

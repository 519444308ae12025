import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { LatchkeyError } from '@latchkey/client';
import type { SourceSettings } from '../config/flow-settings.ts';
import type { Settings } from '../config/settings.ts';
import { type ListenAddress, listenAddressOf } from '../shared/running-server.ts';
import { tryRedis } from './redis-try.ts';

/** What a start would ask of a Redis. Each answers with a line about it; undefined: it needs none. */
interface Tries {
  readonly tryLog: (settings: Settings) => Promise<string | undefined>;
  readonly trySource: (source: SourceSettings) => Promise<string | undefined>;
}

/**
 * Tries what the settings name, and leaves everything as it was. Answers with a line for each thing.
 * @throws LatchkeyError of the first fault, with a line for each
 */
export async function tryConfigured(settings: Settings, { tryLog, trySource }: Tries): Promise<readonly string[]> {
  const tried = [
    tryData(settings.data),
    await triedLog(settings, tryLog),
    await tryListening('http', settings.http, 'http.port'),
    await tryResp(settings.resp.listen),
    ...(await Promise.all(
      settings.sources.filter(({ url }) => url !== 'resp').map((source) => triedSource(source, trySource)),
    )),
    ...(await Promise.all(settings.sinks.map((sink) => tryRedis(`sinks ${sink.name}`, sink)))),
  ];
  const faults = tried.filter((each) => each instanceof LatchkeyError);
  const [first] = faults;
  if (first === undefined) return tried.flatMap((each) => (each === undefined ? [] : String(each)));
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

async function triedSource(
  source: SourceSettings,
  trySource: Tries['trySource'],
): Promise<string | LatchkeyError | undefined> {
  const path = `sources ${source.name}`;
  const answers = await tryRedis(path, source);
  if (answers instanceof LatchkeyError) return answers;
  try {
    const more = await trySource(source);
    return more === undefined ? answers : `${answers}; ${more}`;
  } catch (error) {
    if (!(error instanceof LatchkeyError)) throw error;
    return new LatchkeyError(error.code, `${path}: ${error.message}`, { field: path });
  }
}

async function triedLog(settings: Settings, tryLog: Tries['tryLog']): Promise<string | LatchkeyError | undefined> {
  try {
    return await tryLog(settings);
  } catch (error) {
    if (!(error instanceof LatchkeyError)) throw error;
    const message = `log: ${error.message.replace(/; it is tried again by itself/, '')}`;
    return new LatchkeyError(error.code, message, { field: 'log.url' });
  }
}

async function tryResp(listen: string): Promise<string | LatchkeyError | undefined> {
  if (listen === '') return undefined;
  return tryListening('resp', listenAddressOf(listen), 'resp.listen');
}

function tryListening(what: string, { host, port }: ListenAddress, field: string): Promise<string | LatchkeyError> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', ({ code }: NodeJS.ErrnoException) => {
      const isTaken = code === 'EADDRINUSE';
      const says = isTaken
        ? 'is taken: does a server run there already? Stop it, or choose another port'
        : `can't be listened on (${code}): is it an address of this machine, and the port allowed`;
      resolve(
        new LatchkeyError(isTaken ? 'address-in-use' : 'address-refused', `${what}: ${host}:${port} ${says}.`, {
          field,
        }),
      );
    });
    server.listen({ host, port }, () => {
      server.close(() =>
        resolve(port === 0 ? `${what}: ${host} can be listened on` : `${what}: ${host}:${port} is free`),
      );
    });
  });
}

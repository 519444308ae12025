import { flushCompileCache } from 'node:module';
import { constants } from 'node:os';
import { LatchkeyError } from '@latchkey/client';
import { processEnvironment, variable } from '../config/environment.ts';
import { type Flags, type LoadedSettings, loadSettings } from '../config/load-settings.ts';
import type { Logger } from '../shared/logger.ts';
import { createLogger } from '../shared/logger-pino.ts';
import { programVersion } from '../shared/program-version.ts';
import { paint, printLine, reportError } from './output.ts';

export interface ServeOptions extends Flags {
  readonly config?: string;
}

type Signal = 'SIGTERM' | 'SIGINT';

/**
 * `latchkey serve`: runs until it is told to stop. The first SIGTERM or SIGINT finishes writes, says `bye` and exits 0; a second
 * one exits at once with 128 + its number.
 */
export async function runServe(options: ServeOptions): Promise<void> {
  const { config, ...flags } = options;
  const loaded = loadSettings({
    flags,
    environment: processEnvironment,
    file: config ?? variable(processEnvironment, 'LATCHKEY_CONFIG'),
    cwd: process.cwd(),
  });
  const settings = { ...loaded.settings, logFormat: logFormatOf(loaded) };
  const logger = createLogger(settings);
  endOnBugs(logger);
  const asked = onSignals();
  for (const warning of loaded.warnings) logger.warn({}, warning);
  const { startServer } = await import('../main.ts');
  const server = await startServer(settings, { logger });
  logger.info({ url: server.url, data: settings.data, version: programVersion() }, `listening on ${server.url}`);
  if (process.stdout.isTTY) await greet(server.url, settings.data);
  flushCompileCache(); // Else a server that is always killed would compile anew at each start.
  const signal = await Promise.race([asked, server.closed.then(() => undefined)]);
  if (signal === undefined)
    throw new LatchkeyError('internal', 'The server stopped without being told to; the log says why.');
  logger.info({ signal }, 'stopping: finishing writes, telling watchers to come back');
  await server.close();
  logger.info({}, 'stopped');
  // Whatever a library still holds open is no reason to stay.
  process.exit(0);
}

/** What reads best where it goes, unless somebody chose. */
function logFormatOf({ settings, given }: LoadedSettings): 'json' | 'text' {
  if (given.has('logFormat')) return settings.logFormat;
  return process.stderr.isTTY ? 'text' : settings.logFormat;
}

function onSignals(): Promise<Signal> {
  return new Promise((resolve) => {
    let isStopping = false;
    const stop = (signal: Signal) => {
      if (isStopping) {
        process.exit(128 + constants.signals[signal]);
      }
      isStopping = true;
      resolve(signal);
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
}

/** A bug leaves a state that nobody thought of: the log keeps it, one line tells it, and the next start recovers from disk. */
export function endOnBugs(logger: Logger): void {
  process.on('uncaughtException', (error) => {
    logger.error({ err: error }, 'a bug ended the server');
    process.exit(reportError(error, { json: false }));
  });
}

async function greet(url: string, data: string): Promise<void> {
  await printLine(`
${paint('bold', 'Latchkey')} ${programVersion()} is listening on ${paint('cyan', url)}
Everything is kept in ${data}

Watch every key in one terminal, and set one in another:
  curl -N ${url}/v1/watch
  curl -X PUT ${url}/v1/keys/hello -H 'content-type: application/json' -d '"world"'

Ctrl-C stops it.
`);
}

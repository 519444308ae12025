import { LatchkeyError, quote } from '@latchkey/client';
import { type Environment, variable } from '../config/environment.ts';
import { follow } from '../config/reference.ts';

/** The options that every command towards a server takes. */
export interface ServerOptions {
  readonly server?: string;
  readonly serverAddress?: string;
  readonly token?: string;
  readonly json?: boolean;
}

export interface ServerPlace {
  readonly server: string;
  readonly token?: string;
}

export const SERVER_DEFAULT = 'http://127.0.0.1:23333';

/**
 * Where the server is: --server, --server-address, LATCHKEY_SERVER, the default.
 * @throws LatchkeyError `usage` where it is no URL
 */
export function serverPlace(options: ServerOptions, environment: Environment): ServerPlace {
  const server = serverOf(options, environment);
  const token = tokenOf(options, environment);
  if (!URL.canParse(server) || !/^https?:$/.test(new URL(server).protocol)) {
    throw new LatchkeyError('usage', `--server takes a URL such as ${SERVER_DEFAULT}, but got ${quote(server)}.`, {
      field: 'server',
    });
  }
  return token === undefined ? { server } : { server, token };
}

/** A token may stand in a variable or a file (`env:NAME`, `file:PATH`), where no list of processes shows it. */
function tokenOf(options: ServerOptions, environment: Environment): string | undefined {
  const token = options.token ?? variable(environment, 'LATCHKEY_TOKEN');
  const followed = token === undefined ? undefined : follow(token, environment, process.cwd());
  if (followed === undefined) return token;
  if ('text' in followed) return followed.text;
  throw new LatchkeyError('usage', `--token ${followed.says}.`, { field: 'token' });
}

function serverOf(options: ServerOptions, environment: Environment): string {
  if (options.server !== undefined) return options.server;
  if (options.serverAddress !== undefined) return urlOfAddress(options.serverAddress);
  return variable(environment, 'LATCHKEY_SERVER') ?? SERVER_DEFAULT;
}

/** @throws LatchkeyError `usage` */
export function urlOfAddress(address: string): string {
  const url = `http://${address}`;
  if (/^[^\s/?#@]+:[0-9]{1,5}$/.test(address) && URL.canParse(url)) return url;
  throw new LatchkeyError(
    'usage',
    `--server-address takes HOST:PORT, such as 127.0.0.1:23333, but got ${quote(address)}.`,
    {
      field: 'server-address',
    },
  );
}

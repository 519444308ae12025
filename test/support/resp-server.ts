/** A server of this process with the Redis protocol gateway, and connections that say exactly what a test wants. */
import { createClient } from '@redis/client';
import { DEFAULT_SETTINGS, type Settings } from '../../server/src/config/settings.ts';
import { type RunningServer, startServer } from '../../server/src/main.ts';
import { silentLogger } from '../../server/src/shared/logger.ts';
import type { SettingsPart } from './memory-core.ts';
import { RawSocket } from './raw-socket.ts';
import { type Scope, temporaryFolder } from './server-process.ts';

export interface RespServer {
  readonly server: RunningServer;
  readonly port: number;
  readonly url: string;
}

export async function startResp(scope: Scope, part: SettingsPart = {}): Promise<RespServer> {
  const base: Settings = { ...DEFAULT_SETTINGS, data: temporaryFolder(scope, 'resp') };
  const settings = {
    ...base,
    ...part,
    http: { ...base.http, port: 0 },
    limits: { ...base.limits, ...part.limits },
    resp: { listen: '127.0.0.1:0', password: '', ...part.resp },
  } as Settings;
  const server = await startServer(settings, { logger: silentLogger });
  scope.after(() => server.close());
  const { port } = server.resp as { port: number };
  return { server, port, url: server.url };
}

/** A command as clients send it. */
export function request(...parts: readonly (string | Buffer)[]): Buffer {
  const pieces = parts.flatMap((part) => {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part;
    return [Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')];
  });
  return Buffer.concat([Buffer.from(`*${parts.length}\r\n`), ...pieces]);
}

/** Says one command after the other and hears the bytes that each is answered with. */
export class RespTalk {
  readonly raw: RawSocket;
  #heard = 0;
  #said = 0;

  private constructor(raw: RawSocket) {
    this.raw = raw;
  }

  static async open(port: number, scope: Scope): Promise<RespTalk> {
    return new RespTalk(await RawSocket.open(port, scope));
  }

  /** All that came up to the reply of the ECHO that is said behind it; pushes too. */
  async say(...parts: readonly (string | Buffer)[]): Promise<string> {
    return await this.sayRaw(request(...parts));
  }

  async sayRaw(bytes: Buffer): Promise<string> {
    this.#said += 1;
    const mark = `mark-${this.#said}-${'x'.repeat(8)}`;
    const reply = `$${mark.length}\r\n${mark}\r\n`;
    this.raw.write(Buffer.concat([bytes, request('ECHO', mark)]));
    const heard = await this.raw.until(reply);
    const end = heard.indexOf(reply, this.#heard);
    const answer = heard.slice(this.#heard, end);
    this.#heard = end + reply.length;
    return answer;
  }
}

/** A node-redis client that ends with the test. */
export async function connectRedis(port: number, scope: Scope, options: Parameters<typeof createClient>[0] = {}) {
  const client = createClient({ ...options, url: `redis://127.0.0.1:${port}` });
  client.on('error', () => {}); // The command that it breaks rejects.
  await client.connect();
  scope.after(() => client.destroy());
  return client;
}

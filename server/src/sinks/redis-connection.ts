import { createHash } from 'node:crypto';
import { LatchkeyError } from '@latchkey/client';
import { createClient } from '@redis/client';
import type { RedisPlace } from '../config/redis-settings.ts';
import type { RedisCalls } from './redis-target.ts';

const TIMEOUT_MS = 5000;

export class RedisConnection implements RedisCalls {
  readonly #place: RedisPlace;
  #client: Awaited<ReturnType<typeof open>> | undefined;

  constructor(place: RedisPlace) {
    this.#place = place;
  }

  command(args: readonly (string | Buffer)[]): Promise<unknown> {
    return this.#told(() => this.#send(args));
  }

  script(text: string, keys: readonly (string | Buffer)[], args: readonly (string | Buffer)[]): Promise<unknown> {
    return this.#told(() => this.#script(text, keys, args));
  }

  async #script(
    text: string,
    keys: readonly (string | Buffer)[],
    args: readonly (string | Buffer)[],
  ): Promise<unknown> {
    const rest = [String(keys.length), ...keys, ...args];
    try {
      return await this.#send(['EVALSHA', createHash('sha1').update(text).digest('hex'), ...rest]);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return this.#send(['EVAL', text, ...rest]);
    }
  }

  async close(): Promise<void> {
    this.#client?.destroy();
    this.#client = undefined;
  }

  /** Says where it was, and never who asked. */
  async #told<Reply>(call: () => Promise<Reply>): Promise<Reply> {
    try {
      return await call();
    } catch (error) {
      const { host } = new URL(this.#place.url);
      const reason = error instanceof Error ? error.message || String(error.cause ?? error.name) : String(error);
      throw new LatchkeyError(
        'unavailable',
        `The Redis at ${host} did not do it: ${reason.replace(/ script: [0-9a-f]{40}.*$/, '').replace(/\.$/, '')}.`,
        { cause: error },
      );
    }
  }

  async #send(args: readonly (string | Buffer)[]): Promise<unknown> {
    this.#client ??= await open(this.#place);
    const client = this.#client;
    const timeout = Promise.withResolvers<never>();
    const timer = setTimeout(() => timeout.reject(new Error('no answer')), TIMEOUT_MS);
    try {
      return await Promise.race([client.sendCommand(args as string[]), timeout.promise]);
    } catch (error) {
      if (!(error instanceof Error && /^[A-Z]+ /.test(error.message))) await this.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

async function open(place: RedisPlace) {
  const client = createClient({
    url: place.url,
    disableOfflineQueue: true,
    socket: { connectTimeout: TIMEOUT_MS, reconnectStrategy: false },
  });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

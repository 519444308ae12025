import { createHash } from 'node:crypto';
import { LatchkeyError } from '@latchkey/client';
import type { RedisPlace } from '../config/redis-settings.ts';
import { RedisConnection } from '../shared/redis/connection.ts';
import { describePlace, replyCode } from '../shared/redis/error.ts';
import type { Argument, Reply } from '../shared/redis/reply.ts';
import type { RedisCalls } from './redis-target.ts';

const UP_MS = 5000;

/** Connects with the first call, so that a node that stands by opens nothing. Faults say where, and never who asked or what was sent. */
export class ConnectedCalls implements RedisCalls {
  readonly #place: RedisPlace;
  readonly #name: string;
  #connection: RedisConnection | undefined;

  constructor(place: RedisPlace, name: string) {
    this.#place = place;
    this.#name = name;
  }

  command(args: readonly Argument[]): Promise<Reply> {
    return this.#guarded((connection) => connection.send(args));
  }

  script(text: string, keys: readonly Argument[], args: readonly Argument[]): Promise<Reply> {
    const rest = [String(keys.length), ...keys, ...args];
    return this.#guarded(async (connection) => {
      try {
        return await connection.send(['EVALSHA', createHash('sha1').update(text).digest('hex'), ...rest]);
      } catch (error) {
        if (replyCode(error) !== 'NOSCRIPT') throw error;
        return connection.send(['EVAL', text, ...rest]);
      }
    });
  }

  async close(): Promise<void> {
    this.#connection?.close();
  }

  async #guarded(call: (connection: RedisConnection) => Promise<Reply>): Promise<Reply> {
    this.#connection ??= new RedisConnection({ place: this.#place, name: this.#name });
    const connection = this.#connection;
    await connection.up(UP_MS);
    try {
      return await call(connection);
    } catch (error) {
      const translated = isRefusedInScript(error) ? this.#notPermitted(error) : connection.translate(error, 'writing');
      // The primary is elsewhere by now, or the replica is about to be one.
      if (replyCode(error) === 'READONLY') connection.renew(translated);
      throw translated;
    }
  }

  #notPermitted(error: unknown): LatchkeyError {
    const where = describePlace(this.#place);
    const message = `${where} does not permit this user a key or channel that the sink writes to; widen its ACL.`;
    return new LatchkeyError('not-ready', message, { retryAfter: 1, cause: error });
  }
}

/** Within a script Redis says ERR, and NOPERM in its text or not at all. */
function isRefusedInScript(error: unknown): boolean {
  return error instanceof Error && /the user executing the script can't|ACL failure in script/i.test(error.message);
}

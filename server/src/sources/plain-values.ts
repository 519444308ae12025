import type { RedisPlace } from '../config/redis-settings.ts';
import { RedisConnection } from '../shared/redis/connection.ts';
import { listOfReply } from '../shared/redis/reply.ts';
import type { KeptValues } from './validation.ts';

const UP_MS = 5000;

/** What lies at the plain keys of the Redis that the log writes to, where every other client reads it. */
export class PlainValues implements KeptValues {
  readonly #place: RedisPlace;
  readonly #name: string;
  #connection: RedisConnection | undefined;

  constructor(place: RedisPlace, name: string) {
    this.#place = place;
    this.#name = name;
  }

  async text(key: string): Promise<Buffer | undefined> {
    const reply = await this.#ask(['GET', key]);
    return Buffer.isBuffer(reply) ? reply : undefined;
  }

  async fields(key: string): Promise<ReadonlyMap<string, string> | undefined> {
    const parts = listOfReply(await this.#ask(['HGETALL', key])).map(String);
    if (parts.length === 0) return undefined;
    const fields = new Map<string, string>();
    for (let index = 0; index + 1 < parts.length; index += 2)
      fields.set(parts[index] as string, parts[index + 1] as string);
    return fields;
  }

  close(): void {
    this.#connection?.close();
  }

  async #ask(args: readonly string[]) {
    this.#connection ??= new RedisConnection({ place: this.#place, name: this.#name, isBinary: true });
    const connection = this.#connection;
    await connection.up(UP_MS);
    try {
      return await connection.send(args);
    } catch (error) {
      // A key of another type holds something else than was written, which is what this is for.
      if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return null;
      throw connection.translate(error, 'reading back');
    }
  }
}

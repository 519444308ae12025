import type { RedisConnection } from '../../shared/redis/connection.ts';
import { listOfReply, type Reply, textOfReply } from '../../shared/redis/reply.ts';

/** What lies under a key now. `ttlMs`: until it expires, undefined where it does not. */
export type Found =
  | { readonly kind: 'absent' }
  | { readonly kind: 'string'; readonly data: Buffer; readonly ttlMs: number | undefined }
  | {
      readonly kind: 'hash';
      readonly fields: readonly (readonly [Buffer, Buffer])[];
      readonly ttlMs: number | undefined;
    }
  /** A list, set, stream… */
  | { readonly kind: 'other'; readonly type: string }
  | { readonly kind: 'too-big' }
  /** It became of another type while it was read: to be read again. */
  | { readonly kind: 'changing' };

/** A key and what was found, some time between `askedMicros` and `answeredMicros`. */
export interface Reading<Key> {
  readonly key: Key;
  readonly found: Found;
  readonly askedMicros: number;
  readonly answeredMicros: number;
}

export interface KeyReaderSetup {
  /** Binary. */
  readonly connection: Pick<RedisConnection, 'send'>;
  /** The log's `now`. */
  readonly nowMicros: () => number;
  readonly valueBytesMax: number;
}

/** Values that are read at once: as many as are about so much, by the size of those before, and never more than so many. */
const GROUP_BYTES = 1024 * 1024;
const GROUP_KEYS_MAX = 200;
const GROUP_KEYS_MIN = 4;
/** What PTTL answers of a key that is not there. */
const GONE = -2;
/** A field takes at least `"":"",` of the value. */
const FIELD_BYTES_MIN = 6;

interface Typed<Key> {
  readonly key: Key;
  readonly type: 'string' | 'hash';
}

/**
 * Reads keys where they live: their types, then value and expiry of each in one moment. No more of a string is read than a value may
 * have, and no hash of more fields than a value may have.
 */
export class KeyReader {
  readonly #setup: KeyReaderSetup;
  #groupKeys = GROUP_KEYS_MAX;

  constructor(setup: KeyReaderSetup) {
    this.#setup = setup;
  }

  /** Group by group, so that no more than a group of values is held; what is no string or hash comes first. */
  async *read<Key extends { readonly redisKey: string }>(
    keys: readonly Key[],
  ): AsyncGenerator<readonly Reading<Key>[]> {
    const askedMicros = this.#setup.nowMicros();
    const types = await this.#ask(keys.map(({ redisKey }) => ['TYPE', redisKey]));
    const answeredMicros = this.#setup.nowMicros();
    const valued: Typed<Key>[] = [];
    const others: Reading<Key>[] = [];
    keys.forEach((key, index) => {
      const type = textOfReply(types[index]) ?? 'none';
      if (type === 'string' || type === 'hash') valued.push({ key, type });
      else {
        const found: Found = type === 'none' ? { kind: 'absent' } : { kind: 'other', type };
        others.push({ key, found, askedMicros, answeredMicros });
      }
    });
    if (others.length > 0) yield others;
    for (let at = 0; at < valued.length; ) {
      const group = valued.slice(at, at + this.#groupKeys);
      at += group.length;
      yield await this.#values(group);
    }
  }

  async #values<Key extends { readonly redisKey: string }>(
    group: readonly Typed<Key>[],
  ): Promise<readonly Reading<Key>[]> {
    const { nowMicros, valueBytesMax } = this.#setup;
    const tooBig = await this.#tooBig(group);
    const read = group.filter(({ key }) => !tooBig.has(key));
    const commands = read.flatMap(({ key: { redisKey }, type }) => [
      type === 'string' ? ['GETRANGE', redisKey, '0', String(valueBytesMax)] : ['HGETALL', redisKey],
      ['PTTL', redisKey],
    ]);
    const askedMicros = nowMicros();
    // Value and expiry are of one moment: else a SET with another expiry in between would make an entry that never was.
    const replies = read.length === 0 ? [] : await this.#together(commands);
    const answeredMicros = nowMicros();
    const values = new Map(
      read.map(({ key, type }, index) => {
        const found = foundOf(type, replies[2 * index], Number(replies[2 * index + 1]), valueBytesMax);
        return [key, found] as const;
      }),
    );
    this.#adapt([...values.values()]);
    return group.map(({ key }) => {
      const found: Found = values.get(key) ?? { kind: 'too-big' };
      return { key, found, askedMicros, answeredMicros };
    });
  }

  /** Hashes of so many fields that no value can hold them. */
  async #tooBig<Key extends { readonly redisKey: string }>(group: readonly Typed<Key>[]): Promise<ReadonlySet<Key>> {
    const hashes = group.filter(({ type }) => type === 'hash');
    // What has become of another type in between is read all the same, and found out there.
    const sizes = await this.#ask(
      hashes.map(({ key }) => ['HLEN', key.redisKey]),
      'WRONGTYPE',
    );
    const isTooBig = (fields: number) => fields * FIELD_BYTES_MIN > this.#setup.valueBytesMax;
    return new Set(hashes.flatMap(({ key }, index) => (isTooBig(Number(sizes[index])) ? [key] : [])));
  }

  #adapt(found: readonly Found[]): void {
    const bytes = found.reduce((sum, each) => sum + bytesOf(each), 0);
    const average = Math.max(1, bytes / Math.max(1, found.length));
    this.#groupKeys = Math.max(GROUP_KEYS_MIN, Math.min(GROUP_KEYS_MAX, Math.floor(GROUP_BYTES / average)));
  }

  /** Commands of one pipeline. A reply that is an error of that code stands as `null`. */
  #ask(commands: readonly (readonly string[])[], without?: string): Promise<readonly Reply[]> {
    const { connection } = this.#setup;
    const isExpected = (error: unknown) =>
      without !== undefined && error instanceof Error && error.message.startsWith(without);
    return Promise.all(
      commands.map((command) =>
        connection.send(command).catch((error: unknown) => {
          if (isExpected(error)) return null;
          throw error;
        }),
      ),
    );
  }

  async #together(commands: readonly (readonly string[])[]): Promise<readonly Reply[]> {
    const { connection } = this.#setup;
    const sent = [['MULTI'], ...commands, ['EXEC']].map((command) => connection.send(command));
    const replies = await Promise.all(sent);
    return listOfReply(replies.at(-1));
  }
}

function foundOf(type: Typed<unknown>['type'], value: Reply | undefined, ttlMs: number, valueBytesMax: number): Found {
  // Within EXEC an error is one of the replies.
  if (value instanceof Error) return { kind: 'changing' };
  if (ttlMs === GONE) return { kind: 'absent' };
  const ttl = ttlMs < 0 ? undefined : ttlMs;
  if (type === 'string') {
    const data = bufferOf(value);
    return data.length > valueBytesMax ? { kind: 'too-big' } : { kind: 'string', data, ttlMs: ttl };
  }
  const flat = listOfReply(value);
  const fields: (readonly [Buffer, Buffer])[] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) fields.push([bufferOf(flat[at]), bufferOf(flat[at + 1])]);
  return { kind: 'hash', fields, ttlMs: ttl };
}

function bytesOf(found: Found): number {
  if (found.kind === 'string') return found.data.length;
  if (found.kind !== 'hash') return 0;
  return found.fields.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
}

function bufferOf(reply: Reply | undefined): Buffer {
  return Buffer.isBuffer(reply) ? reply : Buffer.from(textOfReply(reply) ?? '');
}

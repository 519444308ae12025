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

/** Values that are read at once, by the sizes that were told; a hash tells the number of its fields. */
const GROUP_BYTES_MAX = 512 * 1024;
const FIELD_BYTES = 64;
/** A field takes at least `"":"",` of the value. */
const FIELD_BYTES_MIN = 6;

interface Sized<Key> {
  readonly key: Key;
  readonly type: 'string' | 'hash';
  readonly bytes: number;
}

/**
 * Reads keys where they live: their types, then their sizes, then value and expiry of each in one moment. Nothing is read that is
 * known to be too big.
 */
export class KeyReader {
  readonly #setup: KeyReaderSetup;

  constructor(setup: KeyReaderSetup) {
    this.#setup = setup;
  }

  /** In the order of the keys, group by group, so that no more than about a group of values is held. */
  async *read<Key extends { readonly redisKey: string }>(
    keys: readonly Key[],
  ): AsyncGenerator<readonly Reading<Key>[]> {
    const askedMicros = this.#setup.nowMicros();
    const types = await this.#ask(keys.map(({ redisKey }) => ['TYPE', redisKey]));
    const typed = keys.map((key, index) => ({ key, type: textOfReply(types[index]) ?? 'none' }));
    const answeredMicros = this.#setup.nowMicros();
    const without = typed.filter(({ type }) => type !== 'string' && type !== 'hash');
    if (without.length > 0)
      yield without.map(({ key, type }) => ({
        key,
        found: type === 'none' ? { kind: 'absent' as const } : { kind: 'other' as const, type },
        askedMicros,
        answeredMicros,
      }));
    const valued = typed.filter(({ type }) => type === 'string' || type === 'hash');
    const sized = await this.#sizes(valued as readonly { key: Key; type: 'string' | 'hash' }[]);
    for (const group of groupsOf(sized)) yield await this.#values(group);
  }

  async #sizes<Key extends { readonly redisKey: string }>(
    keys: readonly { readonly key: Key; readonly type: 'string' | 'hash' }[],
  ): Promise<readonly Sized<Key>[]> {
    const sizes = await this.#ask(
      keys.map(({ key, type }) => [type === 'string' ? 'STRLEN' : 'HLEN', key.redisKey]),
      'WRONGTYPE',
    );
    // What has become of another type in between is read all the same, and found out there.
    return keys.map(({ key, type }, index) => {
      const size = Number(sizes[index] ?? 0);
      return { key, type, bytes: type === 'string' ? size : size * FIELD_BYTES };
    });
  }

  async #values<Key extends { readonly redisKey: string }>(
    group: readonly Sized<Key>[],
  ): Promise<readonly Reading<Key>[]> {
    const { nowMicros, valueBytesMax } = this.#setup;
    const isTooBig = ({ bytes, type }: Sized<Key>) =>
      (type === 'string' ? bytes : (bytes / FIELD_BYTES) * FIELD_BYTES_MIN) > valueBytesMax;
    const read = group.filter((each) => !isTooBig(each));
    const commands = read.flatMap(({ key, type }) => [
      [type === 'string' ? 'GET' : 'HGETALL', key.redisKey],
      ['PTTL', key.redisKey],
    ]);
    const askedMicros = nowMicros();
    // Value and expiry are of one moment: else a SET with another expiry in between would make an entry that never was.
    const replies = read.length === 0 ? [] : await this.#together(commands);
    const answeredMicros = nowMicros();
    const values = new Map(
      read.map(({ key, type }, index) => [key, foundOf(type, replies[2 * index], replies[2 * index + 1])]),
    );
    return group.map(({ key }) => {
      const found: Found = values.get(key) ?? { kind: 'too-big' };
      return { key, found, askedMicros, answeredMicros };
    });
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

/** In order, each of about as many bytes as may be held, or one bigger value. */
function groupsOf<Key>(keys: readonly Sized<Key>[]): Sized<Key>[][] {
  const groups: Sized<Key>[][] = [];
  let bytes = 0;
  for (const key of keys) {
    bytes += key.bytes;
    const last = groups.at(-1);
    if (last !== undefined && bytes <= GROUP_BYTES_MAX) last.push(key);
    else {
      groups.push([key]);
      bytes = key.bytes;
    }
  }
  return groups;
}

function foundOf(type: 'string' | 'hash', value: Reply | undefined, ttl: Reply | undefined): Found {
  // Within EXEC an error is one of the replies.
  if (value instanceof Error) return { kind: 'changing' };
  const ttlMs = Number(ttl) < 0 ? undefined : Number(ttl);
  if (type === 'string') return Buffer.isBuffer(value) ? { kind: 'string', data: value, ttlMs } : { kind: 'absent' };
  const flat = listOfReply(value);
  if (flat.length === 0) return { kind: 'absent' };
  const fields: (readonly [Buffer, Buffer])[] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) fields.push([bytesOf(flat[at]), bytesOf(flat[at + 1])]);
  return { kind: 'hash', fields, ttlMs };
}

function bytesOf(reply: Reply | undefined): Buffer {
  return Buffer.isBuffer(reply) ? reply : Buffer.from(textOfReply(reply) ?? '');
}

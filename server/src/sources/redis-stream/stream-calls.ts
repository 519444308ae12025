import type { RedisConnection } from '../../shared/redis/connection.ts';
import { replyCode } from '../../shared/redis/error.ts';
import { listOfReply, type Reply, textOfReply } from '../../shared/redis/reply.ts';
import { entriesOfReply, type StreamEntry } from './stream-entry.ts';

export interface StreamCallsSetup {
  /** Binary, RESP2: lists are lists on every version. */
  readonly connection: Pick<RedisConnection, 'send'>;
  readonly stream: string;
  readonly group: string;
  readonly consumer: string;
}

/** What a Redis tells of a stream; how many entries it ever had, from 7.0 on. */
export interface StreamFacts {
  readonly length: number;
  readonly lastId: string;
  readonly added: number | undefined;
}

/** From 7.0 on, and not always: `read`, how many entries there were up to the last delivered one; `lag`, how many wait behind it. */
export interface GroupFacts {
  readonly lastDelivered: string;
  readonly read: number | undefined;
  readonly lag: number | undefined;
}

const FIRST = '0';
const ACK_MAX = 500;

/** The commands on one stream and its group, of what Redis 6.2 has. */
export class StreamCalls {
  readonly #setup: StreamCallsSetup;

  constructor(setup: StreamCallsSetup) {
    this.#setup = setup;
  }

  /** Makes the group, and the stream, where they are not there: it begins after `after`, at the stream's beginning where that is null. */
  async ensureGroup(after: string | null): Promise<void> {
    const { group, stream } = this.#setup;
    try {
      await this.#send(['XGROUP', 'CREATE', stream, group, after ?? FIRST, 'MKSTREAM']);
    } catch (error) {
      if (replyCode(error) !== 'BUSYGROUP') throw error;
    }
  }

  /** The group goes on behind that entry, before and with which there were `read`, where that is known. */
  async skipTo(id: string, read?: number): Promise<void> {
    const known = read === undefined ? [] : ['ENTRIESREAD', String(read)];
    await this.#send(['XGROUP', 'SETID', this.#setup.stream, this.#setup.group, id, ...known]);
  }

  async group(): Promise<GroupFacts | undefined> {
    const groups = listOfReply(await this.#send(['XINFO', 'GROUPS', this.#setup.stream])).map(fieldsOf);
    const own = groups.find((fields) => textOfReply(fields.get('name')) === this.#setup.group);
    if (own === undefined) return undefined;
    return {
      lastDelivered: textOfReply(own.get('last-delivered-id')) ?? '0-0',
      read: numberOf(own.get('entries-read')),
      lag: numberOf(own.get('lag')),
    };
  }

  async facts(): Promise<StreamFacts> {
    const fields = fieldsOf(await this.#send(['XINFO', 'STREAM', this.#setup.stream]));
    return {
      length: Number(fields.get('length') ?? 0),
      lastId: textOfReply(fields.get('last-generated-id')) ?? '0-0',
      added: numberOf(fields.get('entries-added')),
    };
  }

  /** Ids that some consumer of the group was given and did not acknowledge, oldest first. */
  async pending(after: string | undefined, count: number): Promise<readonly string[]> {
    const { group, stream } = this.#setup;
    const start = after === undefined ? '-' : `(${after}`;
    const reply = await this.#send(['XPENDING', stream, group, start, '+', String(count)]);
    return listOfReply(reply).flatMap((item) => textOfReply(listOfReply(item)[0]) ?? []);
  }

  /** They are this consumer's from now on. Answers with those that are still in the stream. */
  async claim(ids: readonly string[]): Promise<readonly StreamEntry[]> {
    const { consumer, group, stream } = this.#setup;
    return entriesOfReply(await this.#send(['XCLAIM', stream, group, consumer, '0', ...ids]));
  }

  /** As `claim`, for entries that are read otherwise. */
  async own(ids: readonly string[]): Promise<void> {
    const { consumer, group, stream } = this.#setup;
    await this.#send(['XCLAIM', stream, group, consumer, '0', ...ids, 'JUSTID']);
  }

  /** Entries behind an id, up to and with another. */
  async between(after: string, until: string, count: number): Promise<readonly StreamEntry[]> {
    return entriesOfReply(await this.#send(['XRANGE', this.#setup.stream, `(${after}`, until, 'COUNT', String(count)]));
  }

  /** The id of the entry that is right before another. */
  async idBefore(id: string): Promise<string | undefined> {
    const reply = await this.#send(['XREVRANGE', this.#setup.stream, `(${id}`, '-', 'COUNT', '1']);
    return entriesOfReply(reply)[0]?.id;
  }

  async firstId(): Promise<string | undefined> {
    return entriesOfReply(await this.#send(['XRANGE', this.#setup.stream, '-', '+', 'COUNT', '1']))[0]?.id;
  }

  /** Entries that no consumer of the group was given; waits for the first. */
  async readNew(count: number, blockMs: number): Promise<readonly StreamEntry[]> {
    const { connection, consumer, group, stream } = this.#setup;
    const bounds = ['COUNT', String(count), 'BLOCK', String(blockMs)];
    const reply = await connection.send(
      ['XREADGROUP', 'GROUP', group, consumer, ...bounds, 'STREAMS', stream, '>'],
      blockMs,
    );
    return entriesOfReply(listOfReply(listOfReply(reply)[0])[1]);
  }

  async acknowledge(ids: readonly string[]): Promise<void> {
    const { group, stream } = this.#setup;
    for (let at = 0; at < ids.length; at += ACK_MAX)
      await this.#send(['XACK', stream, group, ...ids.slice(at, at + ACK_MAX)]);
  }

  #send(args: readonly string[]): Promise<Reply> {
    return this.#setup.connection.send(args);
  }
}

function numberOf(reply: Reply | undefined): number | undefined {
  return typeof reply === 'number' ? reply : undefined;
}

function fieldsOf(reply: Reply | undefined): ReadonlyMap<string, Reply> {
  const flat = listOfReply(reply);
  const fields = new Map<string, Reply>();
  for (let at = 0; at + 1 < flat.length; at += 2) fields.set(textOfReply(flat[at]) ?? '', flat[at + 1] as Reply);
  return fields;
}

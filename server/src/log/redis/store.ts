/**
 * A log's part of a Redis: stands between the log, which decides on its own view, and one Redis, whose scripts write what was decided only
 * while nobody else has. It decides nothing, keeps no view and repeats nothing by itself; a call that fails may have been carried out.
 *
 * Invariant: an append carries the run id of the server that gets it, so no server takes the run of another for its own.
 */
import { LatchkeyError } from '@latchkey/client';
import type { RedisPlace } from '../../config/redis-settings.ts';
import { listOfReply, textOfReply } from '../../shared/redis/reply.ts';
import { TABLE_NAMES, type TableName } from '../../view/view.ts';
import { appendCall, type StreamBounds } from './append-call.ts';
import { APPEND_SCRIPT } from './append-script.ts';
import { CONFIRM_SCRIPT } from './confirm-script.ts';
import { readEntryPage } from './entry-page.ts';
import { readFacts } from './facts.ts';
import { keyNames } from './key-names.ts';
import { LEASE_SCRIPT, REGISTER_SCRIPT, RELEASE_SCRIPT } from './lease-scripts.ts';
import { FIND_SCRIPT } from './read-scripts.ts';
import type {
  AppendAnswer,
  AppendRequest,
  ConfirmAnswer,
  Found,
  Head,
  LogRecord,
  Looked,
  RedisStore,
  RefillPage,
  ServerFacts,
  TableWrite,
} from './redis-store.ts';
import {
  answerOfReply,
  bytesOfReply,
  confirmationOfReply,
  epochsOfReply,
  foundOfReply,
  HEAD_FIELDS,
  headOfReply,
} from './replies.ts';
import { script } from './script.ts';
import { StoreConnections } from './store-connections.ts';
import { isKeyRefused, refuseReplica } from './store-error.ts';
import { StreamReader, type TailOptions } from './stream-reader.ts';

export interface RedisStoreOptions {
  readonly place: RedisPlace;
  /** The setting `log.name`. */
  readonly name: string;
  /** How much of the past the stream keeps for nodes that are behind. */
  readonly bounds?: StreamBounds;
  /** For tests: by how much the log's time is ahead of the server's. */
  readonly clockShiftMicros?: () => number;
  readonly random?: () => number;
  /** A connection broke, or could not be made; told at each try. */
  readonly onDown?: (error: LatchkeyError) => void;
}

type TablePage = Awaited<ReturnType<RedisStore['refillTables']>>;
type Registered = Awaited<ReturnType<RedisStore['register']>>;

const BOUNDS: StreamBounds = { changesMax: 1_000_000, bytesMax: 256 * 1024 * 1024 };
/** Entries of a page of a table; dead letters hold whole messages. */
const tablePage = (table: TableName) => (table === 'deadLetters' ? '10' : '500');
/** What a key is tried with, to learn whether the ACL lets this user have it. */
const TRY_SCRIPT = 'return 1';

const SCRIPTS = {
  append: script(APPEND_SCRIPT),
  confirm: script(CONFIRM_SCRIPT),
  find: script(FIND_SCRIPT),
  lease: script(LEASE_SCRIPT),
  release: script(RELEASE_SCRIPT),
  register: script(REGISTER_SCRIPT),
};

export function openRedisStore(options: RedisStoreOptions): RedisStore {
  return new ConnectedStore(options);
}

class ConnectedStore implements RedisStore {
  readonly #options: RedisStoreOptions;
  readonly #names: ReturnType<typeof keyNames>;
  readonly #redis: StoreConnections;
  readonly #stream: StreamReader;
  /** Of the server that took the last append. */
  #appendedRunId = '';

  constructor(options: RedisStoreOptions) {
    this.#options = options;
    this.#names = keyNames(options.name);
    const { prefix, rehearsal } = this.#names;
    this.#redis = new StoreConnections({ ...options, prefix, rehearsalKey: rehearsal });
    this.#stream = new StreamReader(this.#redis, this.#names);
  }

  get isUp(): boolean {
    return this.#redis.isUp;
  }

  up(timeoutMs: number): Promise<void> {
    return this.#redis.up(timeoutMs);
  }

  facts(): Promise<ServerFacts> {
    return this.#redis.guarded('asking for its settings', async () => {
      const facts = await readFacts(this.#redis, this.#shiftMicros);
      // A primary that gave way keeps its connections: who stays on one would be with a replica for ever.
      refuseReplica(facts.role);
      return facts;
    });
  }

  head(): Promise<Head> {
    return this.#redis.guarded('reading the head', async () =>
      headOfReply(await this.#redis.send(['HMGET', this.#names.head, ...HEAD_FIELDS])),
    );
  }

  epochs(): Promise<readonly { readonly id: string; readonly first: number }[]> {
    return this.#redis.guarded('reading the epochs', async () =>
      epochsOfReply(await this.#redis.send(['LRANGE', this.#names.epochs, '0', '-1'])),
    );
  }

  append(request: AppendRequest): Promise<AppendAnswer> {
    return this.#redis.guarded('appending', async () => {
      const { runId } = this.#redis;
      const bounds = this.#options.bounds ?? BOUNDS;
      const place = { names: this.#names, bounds, runId, shiftMicros: this.#shiftMicros };
      const { args, keys } = appendCall(request, place);
      try {
        const { first, last } = request.record;
        const answer = answerOfReply(await this.#redis.run(SCRIPTS.append, keys, args), last - first + 1);
        if (answer.kind === 'appended') this.#appendedRunId = runId;
        return answer;
      } catch (error) {
        if (!isKeyRefused(error)) throw error;
        const refused = await this.#refusedOf(request.keys.map(({ change }) => change.key));
        if (refused.length === 0) throw error;
        return { kind: 'not-permitted', keys: refused };
      }
    });
  }

  confirm(head: Head, looked: readonly Looked[] | undefined): Promise<ConfirmAnswer> {
    return this.#redis.guarded('confirming', async () => {
      const { changes, head: headKey, heads } = this.#names;
      const open = [looked === undefined ? '' : '1', String(looked?.length ?? 0)];
      const pairs = (looked ?? []).flatMap(({ key, offset }) => [key, String(offset)]);
      const args = [head.token, String(head.offset), head.epoch, ...open, ...pairs];
      return confirmationOfReply(await this.#redis.run(SCRIPTS.confirm, [headKey, changes, heads], args));
    });
  }

  waitForReplicas(count: number, timeoutMs: number, isEverything: boolean): Promise<number> {
    return this.#redis.guarded('waiting for replicas', async () => {
      if (isEverything) {
        // WAIT goes by the last write of its connection, and this is one that comes after everything.
        const { runId } = this.#redis;
        await this.#redis.send(['SET', this.#names.wait, '1', 'PX', '1000']);
        this.#appendedRunId = runId;
      }
      if (this.#redis.runId !== this.#appendedRunId) {
        const message = 'The Redis was replaced after the write, so none of its replicas can be asked about it.';
        throw new LatchkeyError('not-ready', message, { retryAfter: 1 });
      }
      return Number(await this.#redis.send(['WAIT', String(count), String(timeoutMs)], timeoutMs));
    });
  }

  tail(after: Head, options: TailOptions): Promise<readonly LogRecord[] | 'behind'> {
    return this.#redis.guarded('reading on', () => this.#stream.tail(after, options));
  }

  refill(after: number, bounds: Parameters<RedisStore['refill']>[1]): Promise<RefillPage> {
    return this.#redis.guarded('reading the entries', () => readEntryPage(this.#redis, this.#names, after, bounds));
  }

  /** A cursor is the name of a table and the place of its scan. */
  refillTables(cursor: string | undefined): Promise<TablePage> {
    return this.#redis.guarded('reading the tables', async () => {
      const [table = TABLE_NAMES[0], from = '0'] = (cursor?.split(' ') ?? []) as [TableName?, string?];
      const reply = await this.#redis.send(['HSCAN', this.#names.tables[table], from, 'COUNT', tablePage(table)]);
      const [place, list] = listOfReply(reply);
      const words = listOfReply(list).map(bytesOfReply);
      const writes: TableWrite[] = [];
      for (let at = 0; at < words.length; at += 2)
        writes.push({ table, key: words[at] as Buffer, value: words[at + 1] });
      const following = textOfReply(place) ?? '0';
      if (following !== '0') return { writes, next: `${table} ${following}` };
      const nextTable = TABLE_NAMES[TABLE_NAMES.indexOf(table) + 1];
      return { writes, next: nextTable === undefined ? undefined : `${nextTable} 0` };
    });
  }

  find(keys: readonly string[]): Promise<readonly Found[]> {
    return this.#redis.guarded('reading keys', async () => {
      const reply = await this.#redis.run(SCRIPTS.find, keys, []);
      return listOfReply(reply).map((found) => foundOfReply(found, this.#shiftMicros));
    });
  }

  lease(name: string, holder: string, ttlMs: number): Promise<number | undefined> {
    return this.#redis.guarded('taking a lease', async () => {
      const { fences, leases } = this.#names;
      const args = [String(this.#shiftMicros), name, holder, String(ttlMs)];
      const fence = textOfReply(await this.#redis.run(SCRIPTS.lease, [leases, fences], args));
      return fence === undefined ? undefined : Number(fence);
    });
  }

  releaseLease(name: string, holder: string): Promise<void> {
    return this.#redis.guarded('giving a lease back', async () => {
      await this.#redis.run(SCRIPTS.release, [this.#names.leases], [name, holder]);
    });
  }

  register(...[node, known, ttlMs]: Parameters<RedisStore['register']>): Promise<Registered> {
    return this.#redis.guarded('registering', async () => {
      const args = [String(this.#shiftMicros), node, known.epoch, String(known.offset), String(ttlMs)];
      const reply = await this.#redis.run(SCRIPTS.register, [this.#names.nodes], args);
      return listOfReply(reply).map((entry) => {
        const [name = '', epoch = '', offset = '0'] = listOfReply(entry).map(textOfReply);
        return { node: name, epoch, offset: Number(offset) };
      });
    });
  }

  async close(): Promise<void> {
    this.#redis.close();
  }

  get #shiftMicros(): number {
    return this.#options.clockShiftMicros?.() ?? 0;
  }

  /** Redis does not say which key it was. */
  async #refusedOf(keys: readonly string[]): Promise<readonly string[]> {
    const tries = keys.map(async (key) => {
      try {
        await this.#redis.send(['EVAL', TRY_SCRIPT, '1', key]);
        return [];
      } catch (error) {
        if (isKeyRefused(error)) return [key];
        throw error;
      }
    });
    return (await Promise.all(tries)).flat();
  }
}

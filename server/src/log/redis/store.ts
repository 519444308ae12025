/**
 * A log's part of a Redis: stands between the log, which decides on its own view, and one Redis, whose scripts write what was decided only
 * while nobody else has. It decides nothing, keeps no view and repeats nothing by itself; a call that fails may have been carried out.
 *
 * Invariant: `#runId` is of the server that `#commands` is connected to, so an append tells no server the run of another.
 */
import { LatchkeyError } from '@latchkey/client';
import type { RedisPlace } from '../../config/redis-settings.ts';
import { RedisConnection } from '../../shared/redis/connection.ts';
import type { RawClient } from '../../shared/redis/endpoint.ts';
import { listOfReply, parseInfo, type Reply, textOfReply } from '../../shared/redis/reply.ts';
import { TABLE_NAMES, type TableName } from '../../view/view.ts';
import { appendCall, type StreamBounds } from './append-call.ts';
import { APPEND_SCRIPT } from './append-script.ts';
import { readFacts } from './facts.ts';
import { keyNames } from './key-names.ts';
import { LEASE_SCRIPT, REGISTER_SCRIPT, RELEASE_SCRIPT } from './lease-scripts.ts';
import { FIND_SCRIPT, REFILL_SCRIPT, TAIL_SCRIPT } from './read-scripts.ts';
import type {
  AppendAnswer,
  AppendRequest,
  Found,
  Head,
  LogRecord,
  RedisStore,
  RefillPage,
  ServerFacts,
  TableWrite,
} from './redis-store.ts';
import { answerOfReply, bytesOfReply, entryOfReply, foundOfReply, headOfReply, recordsOfReply } from './replies.ts';
import { runScript, type Script, script } from './script-calls.ts';

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

const BOUNDS: StreamBounds = { changesMax: 1_000_000, bytesMax: 256 * 1024 * 1024 };
const TABLE_PAGE = '200';

const SCRIPTS = {
  append: script(APPEND_SCRIPT),
  find: script(FIND_SCRIPT),
  tail: script(TAIL_SCRIPT),
  refill: script(REFILL_SCRIPT),
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
  readonly #commands: RedisConnection;
  /** Of its own, because a read that waits holds up whatever comes after it. */
  readonly #waits: RedisConnection;
  #runId = '';
  /** Of the server that took the last append. */
  #appendedRunId = '';
  /** Whether the last tail came to the head, so that the next has to wait. */
  #isAtHead = false;

  constructor(options: RedisStoreOptions) {
    this.#options = options;
    this.#names = keyNames(options.name);
    const { onDown, place, random } = options;
    const both = {
      place,
      isBinary: true,
      ...(random === undefined ? {} : { random }),
      ...(onDown === undefined ? {} : { onDown }),
    };
    this.#commands = new RedisConnection({ ...both, name: 'latchkey-log', onUp: (client) => this.#prepare(client) });
    this.#waits = new RedisConnection({ ...both, name: 'latchkey-log-tail' });
  }

  get isUp(): boolean {
    return this.#commands.isUp && this.#waits.isUp;
  }

  async up(timeoutMs: number): Promise<void> {
    await Promise.all([this.#commands.up(timeoutMs), this.#waits.up(timeoutMs)]);
  }

  facts(): Promise<ServerFacts> {
    return this.#guarded('asking for its settings', () => readFacts(this.#commands, this.#shiftMicros));
  }

  head(): Promise<Head> {
    return this.#guarded('reading the head', async () =>
      headOfReply(
        await this.#commands.send(['HMGET', this.#names.head, 'epoch', 'offset', 'token', 'now', 'run', 'floor']),
      ),
    );
  }

  epochs(): Promise<readonly { readonly id: string; readonly first: number }[]> {
    return this.#guarded('reading the epochs', async () => {
      const reply = await this.#commands.send(['LRANGE', this.#names.epochs, '0', '-1']);
      return listOfReply(reply).map((entry) => {
        const [first = '', ...id] = (textOfReply(entry) ?? '').split(' ');
        return { id: id.join(' '), first: Number(first) };
      });
    });
  }

  append(request: AppendRequest): Promise<AppendAnswer> {
    return this.#guarded('appending', async () => {
      const runId = this.#runId;
      const place = {
        names: this.#names,
        bounds: this.#options.bounds ?? BOUNDS,
        runId,
        shiftMicros: this.#shiftMicros,
      };
      const { keys, args } = appendCall(request, place);
      const answer = answerOfReply(await this.#run(SCRIPTS.append, keys, args));
      if (answer.kind === 'appended') this.#appendedRunId = runId;
      return answer;
    });
  }

  waitForReplicas(count: number, timeoutMs: number): Promise<number> {
    return this.#guarded('waiting for replicas', async () => {
      if (this.#runId !== this.#appendedRunId) {
        const message = 'The Redis was replaced after the write, so none of its replicas can be asked about it.';
        throw new LatchkeyError('not-ready', message, { retryAfter: 1 });
      }
      return Number(await this.#commands.send(['WAIT', String(count), String(timeoutMs)], timeoutMs));
    });
  }

  tail(
    after: Head,
    options: { readonly waitMs: number; readonly bytesMax: number; readonly signal?: AbortSignal },
  ): Promise<readonly LogRecord[] | 'behind'> {
    return this.#guarded('reading on', async () => {
      options.signal?.throwIfAborted();
      const { changes, epochs, head } = this.#names;
      const args = [after.epoch, String(after.offset), after.token, String(options.bytesMax)];
      if (!this.#isAtHead) {
        const reply = listOfReply(await this.#runOn(this.#waits, SCRIPTS.tail, [head, epochs, changes], args));
        if (textOfReply(reply[0]) === 'behind') return 'behind';
        const records = recordsOfReply(reply[1]);
        if (records.length > 0) return records;
      }
      this.#isAtHead = false;
      return this.#next(after, options.waitMs);
    });
  }

  /** Waits for one record: what is appended after the head, by whomever. */
  async #next(after: Head, waitMs: number): Promise<readonly LogRecord[] | 'behind'> {
    const args = [
      'XREAD',
      'COUNT',
      '1',
      'BLOCK',
      String(Math.max(1, waitMs)),
      'STREAMS',
      this.#names.changes,
      `${after.offset}-0`,
    ];
    const reply = listOfReply(await this.#waits.send(args, waitMs));
    const [, entries] = listOfReply(reply[0]);
    const [entry] = listOfReply(entries);
    if (entry === undefined) return [];
    const [, token, , record] = listOfReply(listOfReply(entry)[1]);
    if (after.token !== '' && textOfReply(token) !== after.token) return 'behind';
    return recordsOfReply([record as Reply]);
  }

  refill(
    after: number,
    { bytesMax, entriesMax }: { readonly entriesMax: number; readonly bytesMax: number },
  ): Promise<RefillPage> {
    return this.#guarded('reading the entries', async () => {
      const { head, heads, index } = this.#names;
      const reply = await this.#run(
        SCRIPTS.refill,
        [head, index, heads],
        [String(after), String(entriesMax), String(bytesMax)],
      );
      const [headReply, more, list] = listOfReply(reply);
      const rows = listOfReply(list);
      const last = textOfReply(listOfReply(rows.at(-1))[0]);
      return {
        head: headOfReply(headReply),
        entries: rows.flatMap((row) => entryOfReply(row, this.#shiftMicros) ?? []),
        next: textOfReply(more) === '1' && last !== undefined ? Number(last) : undefined,
      };
    });
  }

  refillTables(
    cursor: string | undefined,
  ): Promise<{ readonly writes: readonly TableWrite[]; readonly next: string | undefined }> {
    return this.#guarded('reading the tables', async () => {
      const [name = TABLE_NAMES[0], place = '0'] = (cursor?.split(' ') ?? []) as [TableName?, string?];
      const reply = listOfReply(
        await this.#commands.send(['HSCAN', this.#names.tables[name], place, 'COUNT', TABLE_PAGE]),
      );
      const words = listOfReply(reply[1]).map(bytesOfReply);
      const writes: TableWrite[] = [];
      for (let at = 0; at < words.length; at += 2)
        writes.push({ table: name, key: words[at] as Buffer, value: words[at + 1] });
      const place2 = textOfReply(reply[0]) ?? '0';
      if (place2 !== '0') return { writes, next: `${name} ${place2}` };
      const following = TABLE_NAMES[TABLE_NAMES.indexOf(name) + 1];
      return { writes, next: following === undefined ? undefined : `${following} 0` };
    });
  }

  find(keys: readonly string[]): Promise<readonly Found[]> {
    return this.#guarded('reading keys', async () => {
      const reply = await this.#run(SCRIPTS.find, keys, []);
      return listOfReply(reply).map((found) => foundOfReply(found, this.#shiftMicros));
    });
  }

  lease(name: string, holder: string, ttlMs: number): Promise<number | undefined> {
    return this.#guarded('taking a lease', async () => {
      const { fences, leases } = this.#names;
      const reply = await this.#run(
        SCRIPTS.lease,
        [leases, fences],
        [String(this.#shiftMicros), name, holder, String(ttlMs)],
      );
      return reply === null ? undefined : Number(textOfReply(reply));
    });
  }

  releaseLease(name: string, holder: string): Promise<void> {
    return this.#guarded('giving a lease back', async () => {
      await this.#run(SCRIPTS.release, [this.#names.leases], [name, holder]);
    });
  }

  register(
    node: string,
    known: { readonly epoch: string; readonly offset: number },
    ttlMs: number,
  ): Promise<readonly { readonly node: string; readonly epoch: string; readonly offset: number }[]> {
    return this.#guarded('registering', async () => {
      const args = [String(this.#shiftMicros), node, known.epoch, String(known.offset), String(ttlMs)];
      const reply = await this.#run(SCRIPTS.register, [this.#names.nodes], args);
      return listOfReply(reply).map((entry) => {
        const [name = '', epoch = '', offset = '0'] = listOfReply(entry).map(textOfReply);
        return { node: name, epoch, offset: Number(offset) };
      });
    });
  }

  async close(): Promise<void> {
    this.#commands.close();
    this.#waits.close();
  }

  get #shiftMicros(): number {
    return this.#options.clockShiftMicros?.() ?? 0;
  }

  async #prepare(client: RawClient): Promise<void> {
    const reply = await this.#commands.sendOn(client, ['INFO', 'server']);
    this.#runId = parseInfo(textOfReply(reply) ?? '').get('run_id') ?? '';
  }

  #run(
    known: Script,
    keys: readonly string[] | Parameters<typeof runScript>[2],
    args: Parameters<typeof runScript>[3],
  ): Promise<Reply> {
    return this.#runOn(this.#commands, known, keys, args);
  }

  #runOn(
    connection: RedisConnection,
    known: Script,
    keys: Parameters<typeof runScript>[2],
    args: Parameters<typeof runScript>[3],
  ): Promise<Reply> {
    return runScript(connection, known, keys, args);
  }

  async #guarded<Result>(doing: string, call: () => Promise<Result>): Promise<Result> {
    try {
      return await call();
    } catch (error) {
      throw this.#commands.translate(error, doing);
    }
  }
}

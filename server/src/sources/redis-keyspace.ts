/**
 * Makes an existing Redis live: follows its keys as others write them. It stands between that Redis, which names keys that changed and is
 * read for what is under them, and the log, which records what differs. It writes no key there, and keeps a bounded set of names.
 *
 * Invariant: while it is ready as the holder, every followed key is as the log has it, or is noted to be read, or a scan that will read
 * it is owed. One piece of work at a time reads keys and submits them.
 */
import type { RedisKeyspaceSettings } from '../config/flow-settings.ts';
import type { Settings } from '../config/settings.ts';
import { type Holding, LeaseLoop } from '../log/lease-loop.ts';
import { RedisConnection } from '../shared/redis/connection.ts';
import { describePlace } from '../shared/redis/error.ts';
import { Wake } from '../shared/wake.ts';
import { CompareScan } from './redis-keyspace/compare-scan.ts';
import { KeyReader } from './redis-keyspace/key-reader.ts';
import { type Noticed, NoticedKeys } from './redis-keyspace/noticed-keys.ts';
import { Notices } from './redis-keyspace/notices.ts';
import type { KeyFault } from './redis-keyspace/observation.ts';
import { Observing } from './redis-keyspace/observing.ts';
import { type Selected, Selection } from './redis-keyspace/selection.ts';
import { SilentChanges } from './redis-keyspace/silent-changes.ts';
import { SkippedKeys } from './redis-keyspace/skipped-keys.ts';
import type { Source, SourceParts, SourceState } from './source.ts';

export interface RedisKeyspaceParts extends SourceParts<RedisKeyspaceSettings> {
  readonly limits: Pick<Settings['limits'], 'keyBytesMax' | 'valueBytesMax'>;
  /** Whether the log keeps its values on that very Redis: then an entry without a key is one that somebody deleted. */
  readonly isOfLog: boolean;
  /** Names that may wait to be read; default 10,000. Beyond it the keys are scanned. */
  readonly noticedKeysMax?: number;
}

const NOTICED_KEYS_MAX = 10_000;
const PAGE_KEYS_MAX = 200;
const UP_MS = 5000;
const LOOK_MS = 1000;
/** Of stopping: what is under way then gets this long. */
const CLOSE_MS = 1000;

/** The scan under way, and the notices' connection that it closes the gap before. */
interface Scanning {
  readonly scan: CompareScan;
  readonly generation: number;
  /** Keys of that Redis when it began. */
  readonly keys: number;
}

export class RedisKeyspace implements Source {
  readonly name: string;
  readonly kind = 'redis-keyspace';
  readonly #parts: RedisKeyspaceParts;
  readonly #selection: Selection;
  readonly #noticed: NoticedKeys;
  readonly #skipped: SkippedKeys;
  readonly #notices: Notices;
  readonly #loop: LeaseLoop;
  readonly #wake = new Wake();
  #connection: RedisConnection | undefined;
  #isHolder = false;
  #scanning: Scanning | undefined;
  /** Why everything has to be compared again, beside a connection that was made anew. */
  #owed: string | undefined;
  /** Counts the connections of the notices: what happened before the latest one is found by a scan that began after it. */
  #generation = 0;
  #scannedGeneration = 0;
  #told: string | undefined;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #received = 0;
  #applied = 0;
  #scans = 0;
  /** Of the oldest key that is being read. */
  #readingSinceMs: number | undefined;

  constructor(parts: RedisKeyspaceParts) {
    const { clock, limits, log, logger, random, settings } = parts;
    this.name = settings.name;
    this.#parts = parts;
    this.#selection = new Selection(settings, limits.keyBytesMax);
    this.#noticed = new NoticedKeys(parts.noticedKeysMax ?? NOTICED_KEYS_MAX);
    this.#skipped = new SkippedKeys(settings.name, this.#selection, limits, logger);
    this.#notices = new Notices({
      ...{ settings, logger, random, prefixes: this.#selection.trackedPrefixes },
      onKey: (name, event) => this.#notice(name, event),
      onAll: () => this.#owe('all keys may have changed'),
      onUp: () => {
        this.#generation += 1;
        // It counts as connected a moment later.
        setImmediate(() => this.#wake.set());
      },
      onDown: () => this.#wake.set(),
    });
    this.#loop = new LeaseLoop({
      ...{ kind: 'source', name: settings.name, does: 'follows', log, clock, logger, random },
      leaseTtlMs: parts.leaseTtlMs,
      work: (holding) => this.#work(holding),
      onEnd: () => this.#wake.set(),
    });
  }

  start(): void {
    this.#notices.start();
    this.#loop.start();
  }

  state(): SourceState {
    const reason = this.#reason();
    const scanning = this.#scanning;
    const scan = scanning === undefined ? {} : { scan: { seen: scanning.scan.seen, keys: scanning.keys } };
    return {
      isReady: reason === undefined,
      ...(reason === undefined ? {} : { reason }),
      isHolder: this.#isHolder,
      received: this.#received,
      applied: this.#applied,
      deadLettered: 0,
      lagMs: this.#lagMs,
      mode: this.#notices.mode,
      waiting: this.#noticed.size,
      skipped: this.#skipped.count,
      scans: this.#scans,
      ...scan,
    };
  }

  async close(): Promise<void> {
    // A server that does not answer is not waited for as long as it may take otherwise.
    const closeConnections = () => {
      this.#connection?.close();
      this.#notices.close();
    };
    const timer = setTimeout(closeConnections, CLOSE_MS);
    await this.#loop.close();
    clearTimeout(timer);
    closeConnections();
  }

  /** Why it is not ready. What a standby does not hear, a scan finds once it takes over. */
  #reason(): string | undefined {
    if (!this.#isHolder) return this.#loop.reason;
    const { failure, isUp } = this.#notices;
    if (!isUp) return failure?.message ?? `${describePlace(this.#parts.settings)} is not connected yet.`;
    if (this.#loop.reason !== undefined && this.#scanning === undefined) return this.#loop.reason;
    if (this.#scannedGeneration === this.#generation) return undefined;
    const { keys = 0, scan } = this.#scanning ?? {};
    if (scan?.isAmongEntries === true) return 'Entries are compared with the keys that are there.';
    return `Keys are compared: ${scan?.seen ?? 0} were found, of ${keys} in that Redis.`;
  }

  #notice(name: Buffer | string, event: string | undefined): void {
    const key = this.#selection.of(name);
    if (key === undefined || !this.#isHolder) return;
    this.#received += 1;
    if (key === 'unfit') this.#skipped.addUnfit();
    else if (!this.#noticed.add(key, this.#parts.clock.monotonicMs(), event))
      this.#owe(`more than ${this.#parts.noticedKeysMax ?? NOTICED_KEYS_MAX} keys wait to be read`);
    this.#wake.set();
  }

  /** A scan is owed: told once, and begun when there is none under way. */
  #owe(why: string): void {
    if (this.#owed === undefined && this.#isHolder)
      this.#parts.logger.info({ source: this.name }, `source ${this.name}: ${why}, so all of them are compared`);
    this.#owed = why;
    this.#wake.set();
  }

  async #work(holding: Holding): Promise<'ended' | 'later'> {
    const { random, settings } = this.#parts;
    const name = `latchkey-source-${settings.name}-reads`;
    this.#connection ??= new RedisConnection({ place: settings, name, isBinary: true, random });
    const connection = this.#connection;
    this.#noticed.clear();
    this.#scannedGeneration = -1;
    this.#isHolder = true;
    try {
      await connection.up(UP_MS);
      const silent = new SilentChanges((args) => connection.send(args));
      // The first look is before the scan, which would not see what is flushed behind it.
      this.#lookedMs = Number.NEGATIVE_INFINITY;
      const observing = this.#observing(connection, holding);
      while (!holding.isLost && !this.#loop.isClosing) {
        if (!this.#notices.isUp) await this.#waitForNotices();
        else if ((await this.#turn(connection, observing, silent)) === 'stop') break;
      }
      return 'ended';
    } catch (error) {
      // Anything else is a bug, and is told as one.
      const isOfRedis = RedisConnection.isAnswer(error) || !connection.isUp;
      throw isOfRedis ? connection.translate(error, 'reading') : error;
    } finally {
      this.#isHolder = false;
      this.#scanning = undefined;
      this.#readingSinceMs = undefined;
      this.#noticed.clear();
    }
  }

  /** One page of what was noticed and one page of a scan, so that neither waits for all of the other; or nothing to do. */
  async #turn(connection: RedisConnection, observing: Observing, silent: SilentChanges): Promise<'done' | 'stop'> {
    const { clock } = this.#parts;
    if (clock.monotonicMs() - this.#lookedMs >= LOOK_MS) {
      this.#lookedMs = clock.monotonicMs();
      if ((await this.#notices.check((args) => connection.send(args))) === 'missed')
        this.#owe('notify-keyspace-events was not enough for a while');
      if (await silent.look()) this.#owe('keys were flushed, or the server has other data than before');
    }
    if (this.#scanning === undefined && (this.#owed !== undefined || this.#scannedGeneration !== this.#generation))
      await this.#beginScan(connection);
    const noticed = this.#noticed.take(PAGE_KEYS_MAX);
    const [first] = noticed;
    if (first !== undefined) {
      this.#readingSinceMs = first.sinceMs;
      if ((await observing.look(noticed)) === 'stop') return 'stop';
      this.#readingSinceMs = undefined;
    }
    if (this.#scanning !== undefined) return this.#scanOn(this.#scanning, observing);
    if (first === undefined) await this.#wake.wait(LOOK_MS);
    return 'done';
  }

  async #beginScan(connection: RedisConnection): Promise<void> {
    const { isOfLog, log } = this.#parts;
    const generation = this.#generation;
    this.#owed = undefined;
    this.#noticed.forgive();
    const scan = new CompareScan({
      ...{ connection, selection: this.#selection, view: log.view },
      // What others wrote here under such a key never was there, unless there is where the log's values are.
      isOwn: ({ origin }) => isOfLog || origin === this.#origin,
      onUnfit: () => this.#skipped.addUnfit(),
    });
    this.#scanning = { scan, generation, keys: Number(await connection.send(['DBSIZE'])) };
  }

  async #scanOn(scanning: Scanning, observing: Observing): Promise<'done' | 'stop'> {
    const { clock, logger } = this.#parts;
    const { generation, scan } = scanning;
    // It does not close the gap of a connection that came after it.
    if (generation !== this.#generation) {
      this.#scanning = undefined;
      return 'done';
    }
    const page = await scan.next();
    if (page !== undefined) {
      const keys = page.map((key: Selected): Noticed => ({ ...key, reason: undefined, sinceMs: clock.monotonicMs() }));
      return observing.look(keys);
    }
    this.#scanning = undefined;
    this.#scannedGeneration = generation;
    this.#scans += 1;
    this.#told = undefined;
    this.#loop.succeeded();
    logger.info({ source: this.name, keys: scan.seen }, `source ${this.name}: ${scan.seen} keys were compared`);
    return 'done';
  }

  async #waitForNotices(): Promise<void> {
    const reason = this.#notices.failure?.message;
    // Told once: a server that is gone for an hour is one piece of news.
    if (reason !== undefined && reason !== this.#told) {
      this.#told = reason;
      this.#parts.logger.warn({ source: this.name }, `source ${this.name}: ${reason}`);
    }
    await this.#wake.wait(LOOK_MS);
  }

  #observing(connection: RedisConnection, holding: Holding): Observing {
    const { clock, isOfLog, limits, log } = this.#parts;
    const { valueBytesMax } = limits;
    return new Observing({
      reader: new KeyReader({ connection, valueBytesMax, nowMicros: () => log.view.nowMicros() }),
      ...{ log, isOfLog, valueBytesMax, origin: this.#origin, fence: holding.fence },
      onFault: async (error) => {
        await this.#loop.waitAfter(error);
        return holding.isLost || this.#loop.isClosing ? 'stop' : 'again';
      },
      onTaken: (changes) => {
        this.#applied += changes;
        this.#loop.succeeded();
      },
      onSkipped: (key, fault: KeyFault) => this.#skipped.add(key.redisKey, fault),
      onChanging: (key) => void this.#noticed.add(key, clock.monotonicMs()),
    });
  }

  get #lagMs(): number {
    const sinceMs = this.#readingSinceMs ?? this.#noticed.sinceMs;
    return sinceMs === undefined ? 0 : Math.round(this.#parts.clock.monotonicMs() - sinceMs);
  }

  get #origin(): string {
    return `${this.kind}:${this.name}`;
  }
}

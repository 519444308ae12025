/**
 * Takes one stream into the log, while the source holds its lease. It stands between the stream's group and the intake. The log's progress
 * is the truth, and the group follows it: entries at or below the progress are acknowledged and not taken, those behind it are taken
 * whatever the group says. It holds the entries of one read.
 *
 * Invariant: entries are taken in the order of their ids, and acknowledged only once the log has answered. Every entry up to `#reached`
 * was taken, or was dealt with before this source came to the group.
 */
import { LatchkeyError } from '@latchkey/client';
import type { Batch, Log } from '../../log/log.ts';
import type { Clock } from '../../shared/clock.ts';
import type { Arrival, Intake } from '../intake.ts';
import type { SourceGap } from '../source.ts';
import type { StreamCalls } from './stream-calls.ts';
import { arrivalOf, bytesOfEntry, compareIds, msOfId, type StreamEntry } from './stream-entry.ts';

export interface StreamReaderSetup {
  readonly source: string;
  readonly stream: string;
  readonly field: string;
  readonly log: Pick<Log, 'progress'>;
  readonly intake: Pick<Intake, 'take'>;
  readonly fence: Batch['fence'];
  readonly calls: StreamCalls;
  readonly clock: Clock;
  readonly onReceived: (entries: number) => void;
  /** Entries at or below the progress of the log, which were acknowledged and not taken. */
  readonly onKnown: (entries: number) => void;
  /** The stream ends before what was taken last: it is not the one that it was. */
  readonly onOlder: (lastId: string, progress: string) => void;
  /** Entries are gone that nobody took. */
  readonly onGap: (gap: SourceGap) => void;
}

const READ_MAX = 500;
const READ_BYTES = 1024 * 1024;
const PENDING_MAX = 100;
const BLOCK_MS = 1000;
const LOOK_MS = 2000;

export class StreamReader {
  readonly #setup: StreamReaderSetup;
  /** As the log has it, or null where this source never was here. */
  #progress: string | null = null;
  #reached = '0-0';
  #isBlocked = false;
  #isEnded = false;
  #behind = 0;
  #lagMs = 0;
  #lookedMs = Number.NEGATIVE_INFINITY;
  /** So many entries of the last size are about as much as is read at once. */
  #readMax = READ_MAX;

  constructor(setup: StreamReaderSetup) {
    this.#setup = setup;
  }

  /** Entries that wait, as far as is known, and how old the first of them is. */
  get behind(): number {
    return this.#behind;
  }

  get lagMs(): number {
    return this.#lagMs;
  }

  /** Whether it waits for entries, and has nothing to finish. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  end(): void {
    this.#isEnded = true;
  }

  /**
   * Goes on until `end`. `onCaughtUp` is called when everything that was pending is taken.
   * @throws LatchkeyError `conflict` once another node has the lease, and what the library throws of the Redis
   */
  async run(onCaughtUp: () => void): Promise<void> {
    await this.#prepare();
    onCaughtUp();
    while (!this.#isEnded) {
      try {
        await this.#next();
      } catch (error) {
        if (!(error instanceof LatchkeyError) || error.code !== 'progress-mismatch') throw error;
        // Another node was here, or the log was put back to an older copy: it knows where to go on.
        await this.#prepare();
      }
    }
  }

  /** Brings group and progress together: takes what is pending, in order, and what the group passed over. */
  async #prepare(): Promise<void> {
    const { calls, log, onOlder, source, stream } = this.#setup;
    this.#progress = (await log.progress(source))[stream] ?? null;
    await calls.ensureGroup(this.#progress);
    const lastDelivered = (await calls.group())?.lastDelivered ?? '0-0';
    if (this.#progress === null) {
      await this.#takePending();
      // What others of the group have acknowledged before is not this source's.
      this.#reached = later(this.#progress ?? '0-0', lastDelivered);
      return;
    }
    this.#reached = this.#progress;
    await this.#checkForGap();
    const { lastId } = await calls.facts();
    if (compareIds(lastId, this.#progress) < 0) onOlder(lastId, this.#progress);
    if (compareIds(lastDelivered, this.#progress) < 0) await calls.skipTo(this.#progress);
    await this.#claimPending();
    await this.#takeUntil(lastDelivered);
    await this.#acknowledgePending();
  }

  /**
   * A new source of a group that there was: what its consumers were given and did not finish comes first. Should this end in between, the
   * log's progress counts from then on, and what they had finished behind it is taken as well: too much rather than too little.
   */
  async #takePending(): Promise<void> {
    const { calls } = this.#setup;
    let after: string | undefined;
    while (!this.#isEnded) {
      const ids = await calls.pending(after, PENDING_MAX);
      if (ids.length === 0) return;
      const entries = await calls.claim(ids);
      await this.#take(entries);
      if (this.#isEnded) return;
      // Those that are no longer in the stream are nobody's to take.
      const there = new Set(entries.map(({ id }) => id));
      const gone = ids.filter((id) => !there.has(id));
      const [first] = gone;
      if (first !== undefined) this.#tellGap(first, gone.at(-1) as string, `${gone.length} entries that were pending`);
      await calls.acknowledge(gone);
      after = ids.at(-1);
    }
  }

  /** Whoever had them before, they are this consumer's now. */
  async #claimPending(): Promise<void> {
    const { calls } = this.#setup;
    let after: string | undefined;
    while (!this.#isEnded) {
      const ids = await calls.pending(after, PENDING_MAX);
      if (ids.length === 0) return;
      await calls.own(ids);
      after = ids.at(-1);
    }
  }

  /** What is left of them is at or below the progress: it was taken and not acknowledged, or is no longer there. */
  async #acknowledgePending(): Promise<void> {
    const { calls, onKnown } = this.#setup;
    while (!this.#isEnded) {
      const ids = await calls.pending(undefined, PENDING_MAX);
      const known = ids.filter((id) => compareIds(id, this.#reached) <= 0);
      if (known.length === 0) return;
      await calls.acknowledge(known);
      onKnown(known.length);
    }
  }

  /** Entries behind what was reached, as they stand in the stream. */
  async #takeUntil(until: string): Promise<void> {
    const { calls } = this.#setup;
    while (!this.#isEnded && compareIds(this.#reached, until) < 0) {
      const entries = await calls.between(this.#reached, until, this.#readMax);
      if (entries.length === 0) {
        this.#reached = until;
        return;
      }
      await this.#take(entries);
    }
  }

  async #next(): Promise<void> {
    const { calls } = this.#setup;
    await this.#look();
    this.#isBlocked = true;
    const readMax = this.#readMax;
    const read = await calls.readNew(readMax, BLOCK_MS).finally(() => {
      this.#isBlocked = false;
    });
    const [first] = read;
    if (first === undefined) {
      this.#caughtUp();
      return;
    }
    if (compareIds(first.id, this.#reached) > 0) await this.#closeHole(first.id, read);
    // Told to end in between, it may have left what is before them: they stay pending, or that would be skipped for good.
    if (this.#isEnded) return;
    await this.#take(read);
    if (read.length < readMax) this.#caughtUp();
    else this.#lagMs = Math.max(0, this.#setup.clock.nowMicros() / 1000 - msOfId(this.#reached));
  }

  #caughtUp(): void {
    this.#behind = 0;
    this.#lagMs = 0;
  }

  /**
   * A holder that was cut off may have been given entries that it will never take: they are before what this one was given. What is
   * before it and was reached shows that nothing is missing.
   */
  async #closeHole(firstId: string, read: readonly StreamEntry[]): Promise<void> {
    const before = await this.#setup.calls.idBefore(firstId);
    if (before === this.#reached) return;
    if (before === undefined || compareIds(before, this.#reached) < 0) await this.#checkForGap(read);
    else await this.#takeUntil(before);
  }

  async #take(entries: readonly StreamEntry[]): Promise<void> {
    const { calls, field, fence, intake, onKnown, onReceived, stream } = this.#setup;
    const progress = this.#progress;
    const fresh = progress === null ? entries : entries.filter(({ id }) => compareIds(id, progress) > 0);
    const last = fresh.at(-1);
    onReceived(fresh.length);
    if (last !== undefined) {
      const arrivals = fresh.map((entry): Arrival => arrivalOf(entry, stream, field));
      const taken = await intake.take(arrivals, { fence, progress: { sourcePartition: stream, expected: progress } });
      const lastTaken = taken.at(-1)?.arrival.offset;
      this.#progress = lastTaken ?? progress;
      // The log could not take the rest, and the source ends: they stay pending.
      if (taken.length < fresh.length) this.#isEnded = true;
      await calls.acknowledge(taken.map(({ arrival }) => arrival.offset as string));
      if (this.#isEnded) return;
    }
    const known = entries.length - fresh.length;
    if (known > 0) {
      await calls.acknowledge(entries.slice(0, known).map(({ id }) => id));
      onKnown(known);
    }
    this.#reached = later(this.#reached, entries.at(-1)?.id ?? this.#reached);
    this.#readMax = countFor(entries);
  }

  /**
   * Whether entries behind what was reached are gone: as many were added as the group was given and as are there, or some are missing.
   * Where a Redis does not count them (6.2), some may be that were trimmed while nobody read. `read`: what the group was given last.
   */
  async #checkForGap(read: readonly StreamEntry[] = []): Promise<void> {
    const { calls } = this.#setup;
    const firstId = await calls.firstId();
    if (firstId !== undefined && compareIds(firstId, this.#reached) <= 0) return;
    // Sent together, so that nothing is added in between.
    const [group, { added, lastId, length }] = await Promise.all([calls.group(), calls.facts()]);
    const until = firstId ?? lastId;
    const last = read.at(-1)?.id ?? this.#reached;
    if (added === undefined || group?.read === undefined || group.lastDelivered !== last) {
      const isOpen = firstId === undefined ? compareIds(lastId, this.#reached) > 0 : read.length === 0;
      if (isOpen) this.#tellGap(this.#reached, until, 'entries may have been trimmed or deleted');
      return;
    }
    const missing = added - (group.read - read.length) - length;
    if (missing <= 0) return;
    this.#tellGap(this.#reached, until, `${missing} entries were trimmed or deleted`);
    // The group is told as well, and does not count them as waiting any more.
    await calls.skipTo(last, added - (length - read.length));
  }

  #tellGap(fromId: string, toId: string, what: string): void {
    const { onGap, stream } = this.#setup;
    const reason = `${what} of the stream ${stream} before they were taken, between ${fromId} and ${toId}`;
    onGap({ from: msOfId(fromId) * 1000, to: msOfId(toId) * 1000, reason });
  }

  /** Now and then: how many entries wait, and whether the last ones were given to a holder that is gone, with none behind them to show it. */
  async #look(): Promise<void> {
    const { calls, clock } = this.#setup;
    if (clock.monotonicMs() - this.#lookedMs < LOOK_MS) return;
    this.#lookedMs = clock.monotonicMs();
    const group = await calls.group();
    if (group === undefined) return;
    await this.#takeUntil(group.lastDelivered);
    // Where a Redis does not tell, as many are counted as are read at once.
    this.#behind = group.lag ?? (await calls.between(this.#reached, '+', this.#readMax)).length;
  }
}

function later(one: string, other: string): string {
  return compareIds(one, other) < 0 ? other : one;
}

/** How many such entries make about a megabyte. */
function countFor(entries: readonly StreamEntry[]): number {
  const bytes = entries.reduce((sum, entry) => sum + bytesOfEntry(entry), 0);
  const average = Math.max(1, bytes / Math.max(1, entries.length));
  return Math.max(1, Math.min(READ_MAX, Math.floor(READ_BYTES / average)));
}

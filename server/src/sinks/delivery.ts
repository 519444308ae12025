/**
 * Carries changes from the view to a target, under a lease. It stands between the log, which it asks for the lease and keeps its
 * position in, and the target, which it may wait for as long as that takes. It holds one page of changes and no queue.
 *
 * Invariant: the position that is kept in the log is never beyond what the target has confirmed, and no page is read before the one
 * before it was confirmed.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Holding, LeaseLoop } from '../log/lease-loop.ts';
import type { Log } from '../log/log.ts';
import { ANONYMOUS } from '../shared/access.ts';
import type { Clock } from '../shared/clock.ts';
import type { Logger } from '../shared/logger.ts';
import { Wake } from '../shared/wake.ts';
import { PlaceKeeper } from './place-keeper.ts';
import { Reader } from './reader.ts';
import type { Sink, SinkState } from './sink.ts';
import type { Target, Turn } from './target.ts';

export interface DeliverySetup {
  readonly name: string;
  readonly kind: Sink['kind'];
  readonly takes: (key: string) => boolean;
  readonly target: Target;
  readonly log: Log;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  /** Default 10 seconds: so long a holder may be gone before another node takes over. */
  readonly leaseTtlMs?: number;
  /** Default 500: after that time of writing the position is kept, which is what may be written twice after a crash. */
  readonly keepMs?: number;
}

const KEEP_MS = 500;
const KEEP_CHANGES_MAX = 1000;
/** A sink that takes few changes keeps its position all the same, so that it need not look at them again. */
const KEEP_OFFSETS_MAX = 1000;
const CATCH_UP_MS = 10_000;
/** The view tells of each step; this is for a head that moved without one. */
const LOOK_MS = 1000;
/** Of stopping: what is under way then gets this long. */
const CLOSE_MS = 1000;

export class Delivery implements Sink {
  readonly name: string;
  readonly kind: Sink['kind'];
  readonly #setup: DeliverySetup;
  readonly #wake = new Wake();
  readonly #loop: LeaseLoop;
  #stopListening: ((() => void) | undefined)[] = [];
  #reader: Reader | undefined;
  #written = 0;

  constructor(setup: DeliverySetup) {
    this.name = setup.name;
    this.kind = setup.kind;
    this.#setup = setup;
    this.#loop = new LeaseLoop({
      ...setup,
      kind: 'sink',
      does: 'writes',
      work: (holding) => this.#hold(holding),
      onEnd: () => this.#wake.set(),
    });
  }

  start(): void {
    if (this.#stopListening.length > 0) return;
    const { view } = this.#setup.log;
    const wake = () => this.#wake.set();
    this.#stopListening = [view.onDurable(wake), view.onSkipped?.(wake)];
    this.#loop.start();
  }

  state(): SinkState {
    const { reason } = this.#loop;
    const told = reason === undefined ? {} : { reason };
    const place = { isHolder: this.#reader !== undefined, behind: this.#reader?.behind ?? 0, written: this.#written };
    return { isReady: reason === undefined, ...told, ...place };
  }

  async close(): Promise<void> {
    // A target that does not answer is not waited for as long as it may take otherwise.
    const timer = setTimeout(() => void this.#setup.target.close(), CLOSE_MS);
    await this.#loop.close();
    clearTimeout(timer);
    for (const stop of this.#stopListening.splice(0)) stop?.();
    await this.#setup.target.close();
  }

  /** Until the lease is lost, the target says that another holder was there, or the sink closes. */
  async #hold(holding: Holding): Promise<'ended' | 'later'> {
    const { log } = this.#setup;
    const keeper = new PlaceKeeper(log, holding.lease, ANONYMOUS);
    let isFenced = false;
    try {
      await keeper.read();
      await keeper.catchUp(CATCH_UP_MS);
      const reader = new Reader(log.view, keeper.position);
      // From its first moment on it owes every change, whatever becomes of the target or of this process.
      if (keeper.position === undefined) await keeper.keep(reader.positionText());
      const turn = await this.#claim(keeper, holding.lease);
      this.#reader = reader;
      isFenced = (await this.#carry(this.#reader, keeper, turn, holding)) === 'fenced';
    } finally {
      // What was written since is not written again by whoever comes next; where even that fails, it is.
      if (this.#reader !== undefined && !isFenced && !holding.isLost)
        await keeper.keep(this.#reader.positionText()).catch(() => undefined);
      this.#reader = undefined;
    }
    // Whoever was there has the lease, or this log is an older copy of the one that was: the next claim tells which.
    return isFenced ? 'later' : 'ended';
  }

  async #claim(keeper: PlaceKeeper, lease: Holding['lease']): Promise<Turn> {
    const { logger, target } = this.#setup;
    const turn = { lineage: await keeper.lineage(), fence: lease.fence };
    if ((await target.claim(turn)) === 'written') return turn;
    // Refused by the log where somebody else has the lease. Where nobody has, the fence there is of this log's lost future.
    const anew = { lineage: await keeper.lineage(true), fence: lease.fence };
    logger.warn(
      { sink: this.name, fence: lease.fence },
      'the target has seen a later fence than the log gave out: was the log put back to an older copy?',
    );
    await target.claim(anew);
    return anew;
  }

  async #carry(reader: Reader, keeper: PlaceKeeper, turn: Turn, holding: Holding): Promise<'fenced' | 'ended'> {
    const { log, takes, target } = this.#setup;
    const due = new KeepDue(this.#setup.clock, this.#setup.keepMs ?? KEEP_MS);
    this.#loop.succeeded();
    while (!this.#loop.isClosing && !holding.isLost) {
      if (reader.isLost) {
        this.#setup.logger.warn(
          { sink: this.name },
          'the log no longer holds everything since the position: the last change of each key is written again',
        );
        if ((await target.forget(log.view, turn)) === 'fenced') return 'fenced';
        reader.restart();
      }
      const page = reader.next();
      if (page !== undefined) {
        const changes = page.changes.filter(({ key }) => takes(key));
        if (changes.length === 0) await nextTurn();
        else if ((await target.write(changes, turn)) === 'fenced') return 'fenced';
        reader.advance(page);
        this.#written += changes.length;
        due.note(changes.length, page.looked);
        this.#loop.succeeded();
      }
      if (due.isDue) {
        await keeper.keep(reader.positionText());
        due.kept();
      }
      if (page === undefined) await this.#wake.wait(due.waitMs);
    }
    return 'ended';
  }
}

/** When the position is worth a write of the log. */
class KeepDue {
  readonly #clock: Clock;
  readonly #keepMs: number;
  #changes = 0;
  #offsets = 0;
  #sinceMs = 0;

  constructor(clock: Clock, keepMs: number) {
    this.#clock = clock;
    this.#keepMs = keepMs;
  }

  note(changes: number, offsets: number): void {
    if (this.#changes === 0 && changes > 0) this.#sinceMs = this.#clock.monotonicMs();
    this.#changes += changes;
    this.#offsets += offsets;
  }

  get isDue(): boolean {
    if (this.#changes >= KEEP_CHANGES_MAX || this.#offsets >= KEEP_OFFSETS_MAX) return true;
    return this.#changes > 0 && this.#clock.monotonicMs() - this.#sinceMs >= this.#keepMs;
  }

  get waitMs(): number {
    return this.#changes === 0 ? LOOK_MS : this.#keepMs;
  }

  kept(): void {
    this.#changes = 0;
    this.#offsets = 0;
  }
}

import type { LogSettings } from '../../config/redis-settings.ts';
import type { Clock } from '../../shared/clock.ts';
import { newEpochId } from '../../shared/epochs.ts';
import type { Logger } from '../../shared/logger.ts';
import { epochRecord } from './alignment.ts';
import type { Appending } from './appending.ts';
import type { Rebuild } from './rebuild.ts';
import type { RedisStore } from './redis-store.ts';
import { closing } from './refusals.ts';
import { EMPTY_HEAD, type Replica } from './replica.ts';
import type { ServerTime } from './server-time.ts';
import { waited } from './wait.ts';

const LOOK_MS = 500;
const REGISTERED_MS = 5000;
const LEASE = 'rebuild';
const LEASE_TTL_MS = 10_000;

export interface EmptiedOptions {
  readonly store: RedisStore;
  readonly replica: Replica;
  readonly appending: Appending;
  readonly time: ServerTime;
  readonly clock: Clock;
  readonly node: string;
  readonly rebuild: Rebuild;
  readonly settings: Pick<LogSettings, 'rebuild' | 'rebuildWaitMs'>;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/**
 * What becomes of a log whose Redis has nothing of it: it is new, or it was lost. Nodes tell each other through that Redis how far they
 * know it.
 *
 * Invariant: as long as anybody may know more, nobody begins.
 */
export class Emptied {
  readonly #options: EmptiedOptions;
  #sinceMs: number | undefined;
  #reason = '';

  constructor(options: EmptiedOptions) {
    this.#options = options;
  }

  /** Returns when there is something to follow, or when it is to be looked at again. */
  async settle(): Promise<void> {
    const { clock, logger, node, replica, settings, signal, store } = this.#options;
    const { epoch, offset } = replica.head;
    const nowMs = clock.monotonicMs();
    const others = await store.register(node, { epoch, offset }, REGISTERED_MS);
    const isLost = offset > 0 || settings.rebuild || others.some((other) => other.offset > 0);
    const leftMs = settings.rebuildWaitMs - (nowMs - (this.#sinceMs ?? nowMs));
    const then = settings.rebuild
      ? 'then it is filled again from the one that knows most (log.rebuild)'
      : 'then the log begins anew; with log.rebuild it would be filled again from the one that knows most';
    this.#reason = `the Redis has nothing of this log; nodes that know more of it are waited for, ${Math.ceil(Math.max(0, leftMs) / 1000)} s longer, ${then}`;
    if (this.#sinceMs === undefined && isLost) logger.warn({ offset }, `log redis: ${this.#reason}`);
    this.#sinceMs ??= nowMs;
    const isOthers = settings.rebuild && best(others) !== node && others.some((other) => other.offset > 0);
    if (isLost && (leftMs > 0 || isOthers)) {
      if (!(await waited(LOOK_MS, signal))) throw closing();
      return;
    }
    this.#sinceMs = undefined;
    // Also where it was being put back already: what there was of that is gone.
    if (settings.rebuild && offset > 0) return this.#leased(() => this.#options.rebuild.begin(newEpochId()));
    await this.#begin();
    if (isLost) logger.warn({ offset }, 'log redis: the log began anew; what was in it before is gone');
  }

  /** Why nothing can be written, while nodes are waited for; in a sentence for the operator. */
  get reason(): string | undefined {
    return this.#sinceMs === undefined ? undefined : this.#reason;
  }

  /** There is something to follow. */
  settled(): void {
    this.#sinceMs = undefined;
  }

  /** The log is being put back: whoever does it holds a lease, and who gets it goes on. */
  goOn(): Promise<void> {
    return this.#leased(() => this.#options.rebuild.goOn());
  }

  async #leased(work: () => Promise<void>): Promise<void> {
    const { node, signal, store } = this.#options;
    if ((await store.lease(LEASE, node, LEASE_TTL_MS)) === undefined) {
      if (!(await waited(LOOK_MS, signal))) throw closing();
      return;
    }
    await this.#holding(work);
  }

  async #holding(work: () => Promise<void>): Promise<void> {
    const { node, store } = this.#options;
    const renewal = setInterval(
      () => void store.lease(LEASE, node, LEASE_TTL_MS).catch(() => undefined),
      LEASE_TTL_MS / 3,
    );
    try {
      await work();
    } finally {
      clearInterval(renewal);
      await store.releaseLease(LEASE, node).catch(() => undefined);
    }
  }

  /** The log begins, whoever is first. */
  async #begin(): Promise<void> {
    const { appending, time } = this.#options;
    await appending.send({
      head: EMPTY_HEAD,
      record: epochRecord(EMPTY_HEAD, time, 1),
      ...{ keys: [], fences: [], collected: [], epochs: [], wantsTurn: false },
      writer: appending.nextWriter(),
    });
  }
}

/** Who knows most; of several the first by name. */
function best(nodes: readonly { readonly node: string; readonly offset: number }[]): string | undefined {
  return nodes.toSorted((a, b) => b.offset - a.offset || (a.node < b.node ? -1 : 1))[0]?.node;
}

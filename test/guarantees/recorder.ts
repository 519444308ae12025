/** Collects what the actors of a run saw, with one count of events as its time. */
import { type Outcome, parseVersion } from '@latchkey/client';
import type { Ack, Observation, Sight, Violation, WatchHistory } from '../../server/src/verify/history.ts';
import { sightOf, type WireChange } from '../../server/src/verify/sight.ts';

export interface Put {
  readonly op: 'put';
  readonly key: string;
  readonly value: unknown;
  readonly ttl?: number;
  readonly valid?: string;
  readonly updated?: string;
  readonly ifVersion?: string;
  readonly ifAbsent?: true;
}

export type Write =
  | Put
  | { readonly op: 'merge'; readonly key: string; readonly value: Readonly<Record<string, unknown>> }
  | { readonly op: 'expire'; readonly key: string; readonly ttl: number | null }
  | { readonly op: 'remove'; readonly key: string }
  | { readonly op: 'removeMatching'; readonly pattern: string };

/** A write that was applied, where its sender knows less (a merge) or wants more (a condition) than the entry it made. */
export interface Applied {
  readonly ack: Ack;
  readonly write: Write;
}

/** What a `removeMatching` said it removed. */
export interface Removal {
  readonly writer: string;
  readonly keys: readonly string[];
  /** Offsets after this one, up to and with `last`: what was acknowledged before it was sent lies at or before. */
  readonly after: number;
  readonly last: number;
}

/** A put under an idempotency key, sent until it was answered, and some more times after that. */
export interface Keyed {
  readonly writer: string;
  readonly idempotencyKey: string;
  readonly content: string;
  /** Of every time that it was answered, in short: `applied epoch.offset`. */
  readonly answers: string[];
  /** Other values that were sent under the same key, and how each was answered. */
  readonly others: { readonly content: string; readonly answer: string }[];
}

/** What a reader was shown who asked for an entry as it is at its `written` version or later. */
export interface Shown {
  readonly reader: string;
  readonly written: Ack;
  /** The offset of the entry, or where the log stood for the reader when there was none. */
  readonly at: number;
  readonly isAbsent: boolean;
}

export class Recorder {
  readonly applied: Applied[] = [];
  readonly removals: Removal[] = [];
  readonly keyed: Keyed[] = [];
  /** Values of puts that were refused: the log must not hold them. */
  readonly refused: { readonly writer: string; readonly content: string; readonly code: string }[] = [];
  /** Entries that were read. An entry does not say whether a put or a `stale` made it: the log does. */
  readonly reads: Sight[] = [];
  /** Reads with a `minPosition`. */
  readonly shownReads: Shown[] = [];
  /** Changes that a watcher saw beyond the older position from which it came back. */
  readonly seen: Sight[] = [];
  readonly watches: (WatchHistory & { readonly observations: Observation[] })[] = [];
  /** What only the actors themselves could see go wrong. */
  readonly violations: Violation[] = [];
  /** Writes whose answer never came: they may or may not be in the log. */
  unanswered = 0;
  /** Outcomes other than `applied`, refusals and faults by their code. */
  readonly refusals = new Map<string, number>();
  /** Acknowledged writes by the route they took. */
  readonly routes = new Map<string, number>();
  /** Resets that watchers were told, by reason. */
  readonly resets = new Map<string, number>();
  /** Conflations that watchers were told, by what led to them. */
  readonly conflations = new Map<string, number>();
  /** What watchers did to themselves, by kind. */
  readonly harms = new Map<string, number>();
  /** The history window is so narrow that positions may be conflated or reset as collected. */
  readonly maySkip: boolean;
  /** Watches that went over to another filter: they never converge, all else holds. */
  readonly #abandoned = new Set<readonly Observation[]>();
  /** While a commit is held: the last offset that anybody may know of. */
  heldAt: number | undefined;
  readonly #newest = new Map<string, Ack>();
  #now = 0;
  #lastAcked = 0;

  constructor(maySkip = false) {
    this.maySkip = maySkip;
  }

  tick(): number {
    this.#now += 1;
    return this.#now;
  }

  /** The highest offset that was acknowledged so far. */
  get lastAcked(): number {
    return this.#lastAcked;
  }

  /** The acknowledged write of a key with the highest offset. */
  lastOf(key: string): Ack | undefined {
    return this.#newest.get(key);
  }

  watch(name: string, matches: (key: string) => boolean): Observation[] {
    const observations: Observation[] = [];
    this.watches.push({ name, matches, observations });
    return observations;
  }

  abandon(observations: readonly Observation[]): void {
    this.#abandoned.add(observations);
  }

  /** Watches that went on to the end. */
  get finished(): readonly WatchHistory[] {
    return this.watches.filter(({ observations }) => !this.#abandoned.has(observations));
  }

  /** Somebody was told of this place in the log. */
  saw(who: string, offset: number): void {
    if (this.heldAt === undefined || offset <= this.heldAt) return;
    const message = `offset ${offset} was shown while the flush of what comes after ${this.heldAt} was held`;
    this.violations.push({ guarantee: 'NothingBeforeFlush', to: who, message });
  }

  /** Returns whether it counts as acknowledged. `afterOffset`: `lastAcked` when it was sent. */
  outcome(writer: string, write: Write, sentAt: number, afterOffset: number, outcome: Outcome): boolean {
    if (outcome.outcome !== 'applied') {
      const code = outcome.outcome === 'refused' ? outcome.code : outcome.outcome;
      this.refusal(writer, write, code);
      return false;
    }
    if (outcome.version === undefined) return true; // A removeMatching that matched nothing.
    const version = outcome.version;
    count(this.routes, writer.replace(/ \d+$/, ''));
    const { offset } = parseVersion(version);
    this.saw(writer, offset);
    this.#lastAcked = Math.max(this.#lastAcked, offset);
    if (write.op === 'removeMatching') {
      const { keys } = outcome as { readonly keys?: readonly string[] };
      this.removals.push({ writer, keys: keys ?? [], after: afterOffset, last: offset });
    } else {
      const op = write.op === 'remove' ? 'remove' : 'put';
      const ack = { ...sightOf({ ...write, op, version }), writer, sentAt, ackedAt: this.tick() };
      this.applied.push({ ack, write });
      if (offset > (this.#newest.get(write.key)?.offset ?? 0)) this.#newest.set(write.key, ack);
    }
    return true;
  }

  /** An outcome that is not `applied`, or an error: nothing of the write may be in the log. */
  refusal(writer: string, write: Write, code: string): void {
    this.countRefusal(code);
    if (write.op === 'put') this.refused.push({ writer, content: JSON.stringify(write.value), code });
  }

  countRefusal(code: string): void {
    count(this.refusals, code);
  }

  shown(read: Shown): void {
    this.shownReads.push(read);
  }

  read(change: WireChange): void {
    const sight = sightOf(change);
    this.saw('reader', sight.offset);
    this.reads.push(sight);
  }
}

export function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

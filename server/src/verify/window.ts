/**
 * One window of a run: writes to keys of its own, what came of them and who saw what. It is judged as one history and then
 * forgotten, so that a run of hours holds no more than a run of seconds. Its time is a count of recorded events.
 */
import type { Outcome } from '@latchkey/client';
import type { Ack, Observation, Sight, Violation, WatchHistory } from './history.ts';
import { sightOf, type WireChange } from './sight.ts';

const KEYS_PER_GROUP = 16;
/** About 200 changes a key: its whole history fits one answer. */
const ACKS_MAX = 6000;
const OBSERVATIONS_MAX = 400_000;

export type Write =
  | { readonly op: 'put'; readonly key: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly key: string };

export interface RecordedWatch extends WatchHistory {
  readonly observations: Observation[];
  readonly hasValues: boolean;
  /** False for one that was left for another filter: it never saw the end. */
  isWhole: boolean;
}

export class Window {
  readonly prefix: string;
  readonly keys: readonly string[];
  /** Written last, matched by every filter. */
  readonly endKey: string;
  readonly acks: Ack[] = [];
  readonly reads: Sight[] = [];
  readonly watches: RecordedWatch[] = [];
  /** Violations that were plain to see at once. */
  readonly faults: Violation[] = [];
  /** When a value was sent, by its JSON text, in milliseconds. */
  readonly sentAtMs = new Map<string, number>();
  /** Writes whose answer never came: they may or may not be in the log. */
  unanswered = 0;
  refused = 0;
  deliveries = 0;
  connections = 0;
  observations = 0;
  /** Writers end at their next turn, watchers no longer cut themselves. */
  isClosing = false;
  #now = 0;

  constructor(prefix: string) {
    this.prefix = prefix;
    this.keys = ['a', 'b'].flatMap((group) =>
      Array.from({ length: KEYS_PER_GROUP }, (_, index) => `${prefix}${group}.${index}`),
    );
    this.endKey = `${prefix}a.end`;
  }

  get isFull(): boolean {
    return this.acks.length >= ACKS_MAX || this.observations >= OBSERVATIONS_MAX;
  }

  tick(): number {
    this.#now += 1;
    return this.#now;
  }

  watch(name: string, matches: (key: string) => boolean, hasValues: boolean): RecordedWatch {
    const watch = { name, matches, hasValues, isWhole: true, observations: [] };
    this.watches.push(watch);
    return watch;
  }

  outcome(writer: string, write: Write, sentAt: number, outcome: Outcome): void {
    if (outcome.outcome === 'applied') {
      const sight = sightOf({ ...write, version: outcome.version });
      this.acks.push({ ...sight, writer, sentAt, ackedAt: this.tick() });
    } else if (outcome.outcome === 'refused') this.refused += 1;
  }

  read(change: WireChange): void {
    this.reads.push(sightOf(change));
  }
}

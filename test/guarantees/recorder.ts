/** Collects what the actors of a run saw, with one count of events as its time. */
import { type Outcome, parseVersion } from '@latchkey/client';
import type { Ack, Observation, Sight, WatchHistory } from '../../server/src/verify/history.ts';

/** A change or entry as JSON, by any route. */
export interface WireChange {
  readonly op?: 'put' | 'remove' | 'stale';
  readonly key: string;
  readonly value?: unknown;
  readonly version: string;
}

export function sightOf(change: WireChange): Sight {
  const { epoch, offset, partition } = parseVersion(change.version);
  const op = change.op ?? 'put';
  const place = { partition, offset, epoch, op, key: change.key };
  return op === 'remove' ? place : { ...place, content: JSON.stringify(change.value) };
}

export type Write =
  | { readonly op: 'put'; readonly key: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly key: string };

export class Recorder {
  readonly acks: Ack[] = [];
  readonly reads: Sight[] = [];
  readonly watches: (WatchHistory & { readonly observations: Observation[] })[] = [];
  /** Writes whose answer never came: they may or may not be in the log. */
  unanswered = 0;
  /** Refusals and faults by their code. */
  readonly refusals = new Map<string, number>();
  #now = 0;

  tick(): number {
    this.#now += 1;
    return this.#now;
  }

  watch(name: string, matches: (key: string) => boolean): Observation[] {
    const observations: Observation[] = [];
    this.watches.push({ name, matches, observations });
    return observations;
  }

  /** Returns whether it counts as acknowledged. */
  outcome(writer: string, write: Write, sentAt: number, outcome: Outcome): boolean {
    if (outcome.outcome === 'applied') {
      const version = outcome.version;
      this.acks.push({ ...sightOf({ ...write, version }), writer, sentAt, ackedAt: this.tick() });
      return true;
    }
    const code = outcome.outcome === 'refused' ? outcome.code : outcome.outcome;
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
    return false;
  }

  read(change: WireChange): void {
    this.reads.push(sightOf(change));
  }
}

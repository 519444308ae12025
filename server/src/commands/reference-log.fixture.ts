import type { Version } from '@latchkey/client';
import { type Change, isLive, type Timestamp } from '../shared/change.ts';
import { formatMicros } from '../shared/timestamp.ts';
import type { KeyCommand, Outcome, RemoveCommand, WriteOptions } from './command.ts';
import { decide } from './decide.ts';
import { finishOutcome, placeChange } from './decision.ts';
import { decideDue } from './due.ts';

export const EPOCH = 'test';
export const START = 1_700_000_000_000_000;
export const SECOND = 1_000_000;

/** The smallest thing that is a log: gives offsets to what was decided and keeps every change. Its clock is set by the test. */
export class ReferenceLog {
  readonly changes: Change[] = [];
  readonly entries = new Map<string, Change>();
  now = START;
  valueBytesMax = 1024;

  submit(...commands: readonly KeyCommand[]): Outcome {
    const outcomes = commands.map((command) => this.#decide(command));
    return outcomes.at(-1) as Outcome;
  }

  /** Decides what is due now, for every key. */
  tick(): readonly Change[] {
    const before = this.changes.length;
    for (const entry of [...this.entries.values()]) {
      const draft = decideDue(entry, this.now);
      if (draft !== undefined) this.#append(draft);
    }
    return this.changes.slice(before);
  }

  /** What a reader is served as text, or undefined. */
  value(key: string): string | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined || !isLive(entry, this.now)) return undefined;
    return entry.value?.data.toString();
  }

  entry(key: string): Change {
    const entry = this.entries.get(key);
    if (entry === undefined) throw new Error(`the test expects a change of the key ${key}`);
    return entry;
  }

  versionOf(change: Change): Version {
    return { epoch: EPOCH, partition: change.partition, offset: change.offset };
  }

  /** What has to be the same wherever the same facts arrived: everything but the places and times of deciding. */
  facts(): unknown {
    const keys = [...this.entries.keys()].sort();
    return keys.map((key) => {
      const { op, value, reason, updated, valid, expires } = this.entry(key);
      return { key, op, value, reason, updated, valid, expires };
    });
  }

  #decide(command: KeyCommand): Outcome {
    const { drafts, outcome } = decide(this.entries.get(command.key), command, {
      now: this.now,
      maxFutureSkewMicros: 3600 * SECOND,
      valueBytesMax: this.valueBytesMax,
      origin: 'test',
      holdsVersion: ({ epoch, offset }) => epoch === EPOCH && offset <= this.changes.length,
    });
    for (const draft of drafts) this.#append(draft);
    return finishOutcome(outcome, this.entries.get(command.key), this.versionOf);
  }

  #append(draft: Parameters<typeof placeChange>[0]): void {
    const place = { partition: 0, offset: this.changes.length + 1 };
    const change = placeChange(draft, this.entries.get(draft.key), place);
    this.changes.push(change);
    this.entries.set(draft.key, change);
  }
}

/** A moment that many seconds after START, as a sender writes it. */
export function at(seconds: number): Timestamp {
  const micros = START + Math.round(seconds * SECOND);
  return { micros, text: formatMicros(micros) };
}

export function put(key: string, json: string, options: WriteOptions = {}): KeyCommand {
  return { op: 'put', key, value: { kind: 'json', data: json }, ...options };
}

export function merge(key: string, patch: string, options: WriteOptions = {}): KeyCommand {
  return { op: 'merge', key, patch, ...options };
}

export function remove(key: string, options: Omit<RemoveCommand, 'op' | 'key'> = {}): KeyCommand {
  return { op: 'remove', key, ...options };
}

export function expire(key: string, seconds: number | null): KeyCommand {
  return { op: 'expire', key, ttlMicros: seconds === null ? null : seconds * SECOND };
}

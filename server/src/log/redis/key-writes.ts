import type { Change } from '../../shared/change.ts';
import type { Placed } from '../../view/view.ts';
import { fieldsOfChange } from './hash-fields.ts';
import type { Found, KeyWrite, PlainWrite } from './redis-store.ts';

/** What a step found at a key, and the key's last change once that was decided. */
export interface Observed {
  readonly found: Found;
  readonly entry: Change | undefined;
}

/** What a step knows of its keys beside its changes. */
export interface KeyFindings {
  readonly observed: ReadonlyMap<string, Observed>;
  /** Keys that hold what is no value, by its type: the log lets go of them, and leaves them as they are. */
  readonly foreign: ReadonlyMap<string, string>;
}

const KNOWN = { kind: 'known' } as const;
const UNSEEN = { kind: 'unseen' } as const;
const NONE = { kind: 'none' } as const;
const REMOVE = { kind: 'remove' } as const;
/** By then a Redis may have removed the key for its age, while it is still there by the step's `now`. */
const NEARLY_EXPIRED_MICROS = 2_000_000;

interface KeyStep {
  readonly before: Change | undefined;
  last: Change;
  wasRemoved: boolean;
}

/** What a step does to plain keys: one write for each key, by its last change. */
export function keyWrites(placed: readonly Placed[], nowMicros: number, findings: KeyFindings): readonly KeyWrite[] {
  const steps = new Map<string, KeyStep>();
  for (let index = 0; index < placed.length; index += 1) {
    const { before, change } = placed[index] as Placed;
    const step = steps.get(change.key);
    if (step === undefined) {
      steps.set(change.key, { before, last: change, wasRemoved: change.op === 'remove' });
      continue;
    }
    step.last = change;
    step.wasRemoved ||= change.op === 'remove';
  }
  const writes: KeyWrite[] = [];
  for (const step of steps.values()) writes.push(writeOf(step, nowMicros, findings));
  return writes;
}

function writeOf(step: KeyStep, nowMicros: number, { foreign, observed }: KeyFindings): KeyWrite {
  const { before, last } = step;
  const previous = before?.offset ?? 0;
  const type = foreign.size === 0 ? undefined : foreign.get(last.key);
  if (type !== undefined) {
    return { change: last, previous, plain: NONE, expects: { kind: 'as-found', found: { kind: 'foreign', type } } };
  }
  const seen = observed.size === 0 ? undefined : observed.get(last.key);
  if (seen === undefined) {
    const plain = plainWrite(step, before, nowMicros);
    return { change: last, previous, plain, expects: before === undefined ? UNSEEN : KNOWN };
  }
  const expects = { kind: 'as-found', found: seen.found } as const;
  // What was observed is there; only what came after it in the step is written.
  if (seen.entry === last) return { change: last, previous, plain: NONE, expects };
  return { change: last, previous, plain: plainWrite(step, seen.entry, nowMicros), expects };
}

function plainWrite({ last, wasRemoved }: KeyStep, before: Change | undefined, nowMicros: number): PlainWrite {
  const { expires, value } = last;
  if (last.op === 'remove') return REMOVE;
  if (last.op === 'stale' && before !== undefined && !wasRemoved) return NONE;
  // A change of the expiry alone keeps the very value and its moment.
  if (before?.updated === last.updated && before.value === value && !wasRemoved) return { kind: 'expiry', expires };
  if (value === undefined) throw new Error(`a change of ${last.op} came without a value`);
  if (last.as !== 'hash') return { kind: 'set', value, expires };
  const isGone = wasRemoved || (before?.expires !== undefined && before.expires < nowMicros + NEARLY_EXPIRED_MICROS);
  return hashWrite(last, before?.as === 'hash' ? before : undefined, isGone);
}

/** Fields that are not touched may be another client's. `isGone`: what was there may not be any more. */
function hashWrite(last: Change, before: Change | undefined, isGone: boolean): PlainWrite {
  const fields = fieldsOfChange(last);
  const old: ReadonlyMap<string, string> = before === undefined ? new Map() : fieldsOfChange(before);
  const set = [...fields].filter(([field, value]) => isGone || old.get(field) !== value);
  const removed = [...old.keys()].filter((field) => !fields.has(field));
  return { kind: 'hash', isWhole: isGone || before === undefined, set, removed, expires: last.expires };
}

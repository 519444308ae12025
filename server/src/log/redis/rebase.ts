/**
 * What lets a step be appended to a later head than it was decided on: nothing decided it but the last changes of some keys, and the
 * Redis can tell that they are still the last. Pure.
 */
import type { Outcome } from '../../commands/command.ts';
import type { Change } from '../../shared/change.ts';
import type { Touched } from '../job-queue.ts';
import { DECIDED_AGO_MAX_MICROS } from './append-plan.ts';
import type { DecidedStep } from './decided-step.ts';
import type { Looked } from './redis-store.ts';

/** The keys that it looked at and did not change; undefined: it holds on the head that it was decided on, and on no other. */
export function rebaseOf(step: DecidedStep): readonly Looked[] | undefined {
  if (step.isEmpty || !isOfKeysAlone(step)) return undefined;
  const { nowMicros, placed } = step.stage;
  const base = step.stage.head - placed.length;
  for (const { before, change } of placed) {
    if (change.op === 'stale' || isDueBy(change, nowMicros) || isDueBy(before, nowMicros)) return undefined;
    // The time that a sender told stays where it is, while that of the others moves.
    const isToldTime = change.updated.micros !== change.decided;
    if (isToldTime ? change.previous > base : change.updated.text !== undefined) return undefined;
  }
  return looksOf(step);
}

/** As `rebaseOf`, of a step that needs nothing written. */
export function looksOf(step: DecidedStep): readonly Looked[] | undefined {
  if (!isOfKeysAlone(step)) return undefined;
  const { nowMicros } = step.stage;
  const looked: Looked[] = [];
  for (const [key, entry] of step.looked) {
    if (isDueBy(entry, nowMicros)) return undefined;
    if (!step.stage.changesByItself(key)) looked.push({ key, offset: entry?.offset ?? 0 });
  }
  return looked;
}

function isOfKeysAlone({ collected, fences, foreign, observed, stage, touched }: DecidedStep): boolean {
  if (stage.hasNotes || collected.length > 0 || fences.size > 0) return false;
  if (foreign.size > 0 || observed.size > 0) return false;
  return touched.every(({ error, job }) => error === undefined && job.run.isPlain);
}

/** Whether it runs out before the latest moment that the step may be moved to. */
function isDueBy(entry: Change | undefined, nowMicros: number): boolean {
  const expires = entry?.expires;
  return expires !== undefined && expires > nowMicros && expires <= nowMicros + DECIDED_AGO_MAX_MICROS;
}

/** What senders are told once the step has its new place. `base`: the offset it had gone on from, `up`: by how much it moved. */
export function moveOutcomes(
  touched: readonly Touched[],
  base: number,
  up: number,
  move: (change: Change) => Change,
): void {
  for (const { job, mark, to } of touched) {
    const { outcomes } = job.run;
    for (let index = mark.outcomes; index < to; index += 1)
      outcomes[index] = movedOutcome(outcomes[index] as Outcome, base, up, move);
  }
}

function movedOutcome(outcome: Outcome, base: number, up: number, move: (change: Change) => Change): Outcome {
  let moved = outcome;
  if ('version' in moved && moved.version !== undefined && moved.version.offset > base)
    moved = { ...moved, version: { ...moved.version, offset: moved.version.offset + up } };
  if ('entry' in moved && moved.entry !== undefined) moved = { ...moved, entry: move(moved.entry) };
  if ('previous' in moved && moved.previous != null) moved = { ...moved, previous: move(moved.previous) };
  return moved;
}

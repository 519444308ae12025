/** Makes a history of what a run recorded, and hands it to every checker. */
import { CHECKERS } from '../../server/src/verify/checkers.ts';
import type { Ack, History, Sight, Violation } from '../../server/src/verify/history.ts';
import { appliedOnce, progressExact, writtenOnce } from './once-checkers.ts';
import { checkOutcomes, KeyedLog } from './outcome-checkers.ts';
import type { World } from './plan.ts';
import type { Recorder } from './recorder.ts';

/** Who merges or sets an expiry knows what was asked for, not what came of it: that is taken from the log, and judged on its own (MergeExact). */
function acksOf(recorder: Recorder, log: readonly Sight[]): readonly Ack[] {
  const keyed = new KeyedLog(log);
  return recorder.applied.map(({ ack, write }) => {
    const made = keyed.at(ack.offset);
    if (made?.content === undefined || (write.op !== 'merge' && write.op !== 'expire')) return ack;
    // An expiry set on a stale entry leaves it stale.
    const op = write.op === 'expire' ? made.op : ack.op;
    return { ...ack, op, content: made.content };
  });
}

function readsOf(recorder: Recorder, log: readonly Sight[]): readonly Sight[] {
  const keyed = new KeyedLog(log);
  const entries = recorder.reads.map((read) =>
    keyed.at(read.offset)?.op === 'stale' ? { ...read, op: 'stale' as const } : read,
  );
  return [...recorder.seen, ...entries];
}

export function historyOf(recorder: Recorder, log: readonly Sight[], entries: History['entries']): History {
  return { acks: acksOf(recorder, log), watches: recorder.watches, reads: readsOf(recorder, log), log, entries };
}

/** `progress`: what the log says of the source; `expiring`: offsets of changes whose entry expires. */
export function judge(
  world: World,
  recorder: Recorder,
  history: History,
  { expiring, progress }: { readonly expiring: ReadonlySet<number>; readonly progress: string | null },
): readonly Violation[] {
  const guarantees = Object.entries(CHECKERS).flatMap(([name, checker]) => {
    if (name === 'Resumable' && world === 'narrow') return [];
    return checker(name === 'Converged' ? { ...history, watches: recorder.finished } : history);
  });
  return [
    ...recorder.violations,
    ...checkOutcomes(recorder, history.log, expiring),
    ...appliedOnce(recorder.keyed, history.log),
    ...writtenOnce(history.log),
    ...progressExact(history.log, progress),
    ...guarantees,
  ];
}

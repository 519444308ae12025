/** What a run came to: what was done, what it did, and what the checkers found. */
import type { History, Violation } from '../../server/src/verify/history.ts';
import type { Recorder } from './recorder.ts';

export type Counts = Readonly<Record<string, number>>;

export interface RunResult {
  readonly violations: readonly Violation[];
  readonly faults: Counts;
  /** How much each kind of fault did. */
  readonly bites: Counts;
  /** What watchers did to themselves. */
  readonly harms: Counts;
  /** Acknowledged writes by route. */
  readonly routes: Counts;
  readonly refusals: Counts;
  readonly resets: Counts;
  readonly conflations: Counts;
  readonly counts: {
    readonly acknowledged: number;
    readonly unanswered: number;
    readonly changes: number;
    readonly deliveries: number;
    readonly connections: number;
    readonly reads: number;
    readonly keyed: number;
    readonly rows: number;
  };
}

const sorted = (counts: ReadonlyMap<string, number>): Counts => Object.fromEntries([...counts].sort());

export function resultOf(
  recorder: Recorder,
  { log }: History,
  found: Pick<RunResult, 'violations' | 'faults' | 'bites'> & { readonly progress: string | null },
): RunResult {
  const { bites, faults, progress, violations } = found;
  const observed = recorder.watches.flatMap(({ observations }) => observations);
  return {
    violations,
    faults,
    bites,
    harms: sorted(recorder.harms),
    routes: sorted(recorder.routes),
    refusals: sorted(recorder.refusals),
    resets: sorted(recorder.resets),
    conflations: sorted(recorder.conflations),
    counts: {
      acknowledged: recorder.applied.length + recorder.removals.length,
      unanswered: recorder.unanswered,
      changes: log.length,
      deliveries: observed.filter(({ kind }) => kind === 'change').length,
      connections: observed.filter(({ kind }) => kind === 'connected').length,
      reads: recorder.reads.length,
      keyed: recorder.keyed.length,
      rows: Number(progress ?? 0),
    },
  };
}

/** The first few violations, one a line, for a failure message. */
export function report(violations: readonly Violation[], max = 20): string {
  const lines = violations.slice(0, max).map(({ guarantee, message, to }) => `${guarantee} · ${to} · ${message}`);
  if (violations.length > max) lines.push(`… and ${violations.length - max} more`);
  return lines.join('\n');
}

import type { Version } from '@latchkey/client';
import type { Change, ChangeDraft } from '../shared/change.ts';
import type { Outcome, Refusal } from './command.ts';

/** Everything `decide` may know beside the entry and the command. */
export interface DecideContext {
  /** The log's `now`, microseconds since 1970. */
  readonly now: number;
  /** `updated` may be this far ahead of `now`. */
  readonly maxFutureSkewMicros: number;
  /** Bytes of UTF-8 that a value, sent or merged, may take. */
  readonly valueBytesMax: number;
  /** Where the command came from; written into the changes that carry its doing. */
  readonly origin?: string | undefined;
  /** Whether that version is still the same place in this log and not past its head: `EpochTable.holds` and the head. */
  holdsVersion(version: Version): boolean;
}

/**
 * An outcome before the log gave the drafts their places. The version it will carry is always that of the key's last change
 * after the decision, so only the log can fill it in: `finishOutcome`.
 */
export type OutcomeDraft =
  | { readonly outcome: 'applied'; readonly previous?: Change | null }
  | { readonly outcome: 'duplicate'; readonly previous?: Change | null }
  | { readonly outcome: 'late' }
  | { readonly outcome: 'conflict'; readonly entry: Change | undefined }
  | { readonly outcome: 'value'; readonly entry: Change | undefined }
  | Refusal;

/**
 * `drafts` become changes of the command's key in their order: none, one, or an `expired` remove and then the command's own.
 * An outcome other than `applied` can come with an `expired` remove too: what was found out stays true.
 */
export interface Decision {
  readonly drafts: readonly ChangeDraft[];
  readonly outcome: OutcomeDraft;
}

/** The draft as the change at that place. `entry` is the key's last change before it. */
export function placeChange(
  draft: ChangeDraft,
  entry: Change | undefined,
  place: { readonly partition: number; readonly offset: number },
): Change {
  const { offset, partition } = place;
  return {
    op: draft.op,
    key: draft.key,
    partition,
    offset,
    previous: entry?.offset ?? 0,
    valueOffset: draft.op === 'stale' && entry !== undefined ? entry.valueOffset : offset,
    value: draft.value,
    reason: draft.reason,
    updated: draft.updated,
    valid: draft.valid,
    expires: draft.expires,
    as: draft.as,
    decided: draft.decided,
    origin: draft.origin,
  };
}

/** The outcome as its sender is told it. `last` is the key's last change once every draft has its place. */
export function finishOutcome(
  outcome: OutcomeDraft,
  last: Change | undefined,
  versionOf: (change: Change) => Version,
): Outcome {
  if (outcome.outcome === 'duplicate') return last === undefined ? outcome : { ...outcome, version: versionOf(last) };
  if (outcome.outcome !== 'applied' && outcome.outcome !== 'late') return outcome;
  if (last === undefined) throw new Error(`an outcome ${outcome.outcome} was decided for a key that has no change`);
  // Without the spread, which costs more than the rest of the command's deciding.
  if (outcome.outcome === 'applied' && outcome.previous === undefined)
    return { outcome: 'applied', version: versionOf(last) };
  return { ...outcome, version: versionOf(last) };
}

import { LatchkeyError, type Position, type ResetReason } from '@latchkey/client';
import type { View } from '../view/view.ts';
import { type Cursor, cursorAt, snapshotCursors } from './cursor.ts';
import type { Heads } from './heads.ts';
import type { Start } from './member.ts';

/**
 * Where a watch begins. A position that this log can't honour is answered with a reset on the same connection: of another filter,
 * of an epoch that does not hold it, ahead of the log, or from before tombstones that were collected. One without a filter's hash
 * is taken as it is: its sender vouches for what it holds.
 *
 * @throws LatchkeyError `position-invalid` for a snapshot that would have gone past its own end
 */
export function startOf(from: 'start' | 'now' | Position, filterHash: string, view: View): Start {
  const heads: Heads = Array.from({ length: view.partitions }, (_, partition) => view.head(partition));
  if (from === 'start') return { cursors: snapshotCursors(heads), completeTo: heads };
  if (from === 'now') return { cursors: heads.map(cursorAt), completeTo: heads };
  const cursors = heads.map((_, partition) => cursorOf(from, partition));
  const reason = resetReason(from, cursors, filterHash, view);
  if (reason === undefined) return { cursors, completeTo: heads };
  return { cursors, completeTo: heads, resetOwed: { reason, requested: from } };
}

function cursorOf(position: Position, partition: number): Cursor {
  // A partition that is left out is at its beginning.
  const { base, offset } = position.components[partition] ?? { offset: 0 };
  if (base === undefined || base === offset) return cursorAt(offset);
  if (offset > base) {
    const message = `from takes offset~base with the offset at or below the base, but got ${offset}~${base}.`;
    throw new LatchkeyError('position-invalid', message, { field: 'from' });
  }
  return { offset, base, conflateTo: undefined };
}

function resetReason(
  position: Position,
  cursors: readonly Cursor[],
  filterHash: string,
  view: View,
): ResetReason | undefined {
  if (position.filterHash !== undefined && position.filterHash !== filterHash) return 'filter';
  if (!view.epochs.holdsPosition(position)) return 'epoch';
  const ends = cursors.map(({ base, offset }) => base ?? offset);
  // Another process may have shown what this one is about to show: such a watch waits, it is not told to forget.
  const isAhead = (end: number, partition: number) =>
    end > view.head(partition) && end > (view.knownHead?.(partition) ?? 0);
  if (ends.some(isAhead)) return 'ahead';
  if (ends.some((end, partition) => end < view.tombstoneFloor(partition))) return 'collected';
  return undefined;
}

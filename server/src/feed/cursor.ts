import { formatPosition, type Position } from '@latchkey/client';
import type { Heads } from './heads.ts';

/**
 * How far a member that is behind has been handed the changes of one partition. With `base` a snapshot runs up to there; with
 * `conflateTo` an announced range in which only the last change of each key is delivered. Never both.
 */
export interface Cursor {
  offset: number;
  base: number | undefined;
  conflateTo: number | undefined;
}

export function cursorAt(offset: number): Cursor {
  return { offset, base: undefined, conflateTo: undefined };
}

/** From nothing to everything there is at `heads`, without what was superseded or removed before. */
export function snapshotCursors(heads: Heads): Cursor[] {
  return heads.map((head) => ({ offset: 0, base: head > 0 ? head : undefined, conflateTo: undefined }));
}

export function isPlain(cursors: readonly Cursor[]): boolean {
  return cursors.every(({ base, conflateTo }) => base === undefined && conflateTo === undefined);
}

export function offsetsOf(cursors: readonly Cursor[]): Heads {
  return cursors.map(({ offset }) => offset);
}

export function cursorsPosition(epoch: string, filterHash: string, cursors: readonly Cursor[]): Position {
  const components = cursors.map(({ offset, base }) => (base === undefined ? { offset } : { offset, base }));
  return { epoch, components, filterHash };
}

export function cursorsText(epoch: string, filterHash: string, cursors: readonly Cursor[]): string {
  return formatPosition(cursorsPosition(epoch, filterHash, cursors));
}

/** The texts of the positions at which one partition's cursor stands at each of the offsets, and the others where they are. */
export function cursorTexts(
  epoch: string,
  filterHash: string,
  cursors: readonly Cursor[],
  partition: number,
  offsets: readonly number[],
): string[] {
  const { base } = cursors[partition] as Cursor;
  const tail = base === undefined ? `;${filterHash}` : `~${base};${filterHash}`;
  if (cursors.length === 1) return offsets.map((offset) => `${epoch}.${offset}${tail}`);
  const moved = cursors.map((cursor) => ({ ...cursor }));
  return offsets.map((offset) => {
    (moved[partition] as Cursor).offset = offset;
    return cursorsText(epoch, filterHash, moved);
  });
}

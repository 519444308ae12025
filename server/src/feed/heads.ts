import { formatPosition, type Position } from '@latchkey/client';

/** An offset for each partition; the index is the partition. */
export type Heads = readonly number[];

/** Whether `a` has reached `b` in every partition. */
export function hasReached(a: Heads, b: Heads): boolean {
  for (let partition = 0; partition < b.length; partition += 1) {
    if ((a[partition] as number) < (b[partition] as number)) return false;
  }
  return true;
}

export function headsPosition(epoch: string, heads: Heads): Position {
  return { epoch, components: heads.map((offset) => ({ offset })) };
}

/** The text of a position without its `;hash`, which differs from group to group. */
export function headsText(epoch: string, heads: Heads): string {
  return heads.length === 1 ? `${epoch}.${heads[0]}` : formatPosition(headsPosition(epoch, heads));
}

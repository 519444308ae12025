import type { Change } from '../shared/change.ts';
import type { View } from '../view/view.ts';

/** Whose turn it is to write: `lineage` names the run of fence numbers that `fence` belongs to. */
export interface Turn {
  readonly lineage: string;
  readonly fence: number;
}

/** `fenced`: a later holder was there; nothing was written. */
export type Written = 'written' | 'fenced';

/**
 * Where a sink writes. Every call is bounded in time, and throws what an operator can mend; then nothing, a part or all of it was
 * written, and it is written again.
 */
export interface Target {
  /** Shuts out earlier holders. */
  claim(turn: Turn): Promise<Written>;
  /** In their order. */
  write(changes: readonly Change[], turn: Turn): Promise<Written>;
  /**
   * Takes away what is kept there of keys that are gone, because nobody can tell any more which went; what is there is written
   * again after it.
   */
  forget(view: View, turn: Turn): Promise<Written>;
  close(): Promise<void>;
}

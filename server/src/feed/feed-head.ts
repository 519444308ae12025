/**
 * How far the feed is: up to where live members have been handed everything. It stands between the view's durable head, which
 * moves first, and the members, who read the view no further than this once they are past their snapshot.
 *
 * Invariant: `collected` has reached `heads`; they differ only within a tick. Both grow, but for an epoch that took offsets back.
 */
import type { View } from '../view/view.ts';
import type { Heads } from './heads.ts';

export class FeedHead {
  readonly #view: View;
  #heads: Heads;
  #collected: Heads;
  #epoch: string;

  constructor(view: View) {
    this.#view = view;
    this.#heads = viewHeads(view);
    this.#collected = this.#heads;
    this.#epoch = view.epochs.current;
  }

  /** The position of every live member. A tick replaces the array, and never changes it. */
  get heads(): Heads {
    return this.#heads;
  }

  /** Up to there changes have been given to the groups that are there now. */
  get collected(): Heads {
    return this.#collected;
  }

  get epoch(): string {
    return this.#epoch;
  }

  collect(heads: Heads): void {
    this.#collected = heads;
  }

  deliver(): void {
    this.#heads = this.#collected;
  }

  /**
   * Takes over offsets that carry no change. MUST be called in a turn of its own and with nothing pending: only then has
   * everything up to the durable head been announced.
   */
  refresh(): void {
    const heads = viewHeads(this.#view);
    if (heads.every((head, partition) => head <= (this.#heads[partition] as number))) return;
    this.#heads = heads.map((head, partition) => Math.max(head, this.#heads[partition] as number));
    this.#collected = this.#heads;
  }

  /**
   * Where the log went on in another epoch since the last call: the offsets up to which the one before holds and the view has them. What
   * lies beyond is given out anew, so the head goes back to them. A view that begins anew has nothing, and is filled afterwards.
   */
  takeNewEpoch(): Heads | undefined {
    const { current } = this.#view.epochs;
    if (current === this.#epoch) return undefined;
    const epochs = this.#view.epochs.list();
    const index = epochs.findLastIndex(({ id }) => id === this.#epoch);
    const next = index < 0 ? undefined : epochs[index + 1];
    const holdsTo = viewHeads(this.#view).map((shown, partition) =>
      Math.min(shown, next === undefined ? 0 : (next.first[partition] as number) - 1),
    );
    this.#epoch = current;
    this.#heads = this.#heads.map((head, partition) => Math.min(head, holdsTo[partition] as number));
    this.#collected = this.#heads;
    return holdsTo;
  }
}

function viewHeads(view: View): Heads {
  return Array.from({ length: view.partitions }, (_, partition) => view.head(partition));
}

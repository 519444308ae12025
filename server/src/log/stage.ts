import { placeChange } from '../commands/decision.ts';
import { type Change, type ChangeDraft, payloadBytes } from '../shared/change.ts';
import type { Placed, View, WritableView } from '../view/view.ts';

/** A durable step holds at most this, or one change of any size. */
export const STEP_CHANGES_MAX = 1000;
export const STEP_BYTES_MAX = 1024 * 1024;

/** What a change takes beside its value, roughly: enough for a bound. */
const CHANGE_OVERHEAD_BYTES = 100;

/** What a stage asks of the view. */
export type StageView = Pick<View, 'get' | 'head' | 'nowMicros'> & Pick<WritableView, 'before'>;

export interface Mark {
  readonly placed: number;
  readonly bytes: number;
  readonly undos: number;
}

/**
 * Stands between deciding and the view: the changes and notes of a step that is not durable yet, seen by what is decided after
 * them. It writes nothing itself. It may lie on the stage of the step that is being flushed, and sees what that one holds.
 *
 * Invariant: offsets go on from the view's head, or from the stage below, without a hole, in the order of `placed`.
 */
export class Stage {
  readonly placed: Placed[] = [];
  readonly #view: StageView;
  readonly #partition = 0;
  readonly #latest = new Map<string, Change>();
  /** What was read last: a command reads its key before it is given its place. */
  #read: { readonly key: string; readonly entry: Change | undefined; readonly isWhole: boolean } | undefined;
  readonly #undos: (() => void)[] = [];
  #base: number;
  #nowMicros: number;
  /** Undefined once it is durable: then the view shows it. */
  #below: Stage | undefined;
  #bytes = 0;

  /** `base`: the offset to go on from, where it is not the head of what it lies on. */
  constructor(view: StageView, below?: Stage, base?: number) {
    this.#view = view;
    this.#below = below;
    this.#base = base ?? (below === undefined ? view.head(this.#partition) : below.head);
    this.#nowMicros = view.nowMicros();
  }

  /** The log's `now` for the whole step. */
  get nowMicros(): number {
    return this.#nowMicros;
  }

  /** The last offset that was given. */
  get head(): number {
    return this.#base + this.placed.length;
  }

  /** Whether anything is noted beside changes. */
  get hasNotes(): boolean {
    return this.#undos.length > 0;
  }

  /**
   * Gives its changes the offsets that follow `base`, and a later `now`: the log went on before it, without a change of their keys.
   * `below`: what the log has by then. Gives the change that took the place of one; what nothing took the place of stays.
   */
  moveUp(base: number, nowMicros: number, below: Stage | undefined): (change: Change) => Change {
    const from = this.#base;
    const up = base - from;
    for (let index = 0; index < this.placed.length; index += 1) {
      const { before, change } = this.placed[index] as Placed;
      const isOwn = before !== undefined && before.offset > from;
      const moved = movedUp(change, up, from, nowMicros);
      this.placed[index] = { change: moved, before: isOwn ? this.placed[before.offset - from - 1]?.change : before };
      this.#latest.set(moved.key, moved);
    }
    this.#base = base;
    this.#nowMicros = nowMicros;
    this.#below = below;
    this.#read = undefined;
    return (change) => (change.offset > from ? (this.placed[change.offset - from - 1] as Placed).change : change);
  }

  /** The stage below became durable. */
  settleBelow(): void {
    this.#below = undefined;
  }

  get isEmpty(): boolean {
    return this.placed.length === 0 && this.#undos.length === 0;
  }

  /** Of everything that the view does not count yet. */
  get bytes(): number {
    return this.#bytes + (this.#below?.bytes ?? 0);
  }

  get isFull(): boolean {
    return this.placed.length >= STEP_CHANGES_MAX || this.#bytes >= STEP_BYTES_MAX;
  }

  /** Whether what was added since the mark is more than one step may hold; without a mark, whether the whole is. */
  isOversized(mark: Mark = { placed: 0, bytes: 0, undos: 0 }): boolean {
    const changes = this.placed.length - mark.placed;
    return changes > STEP_CHANGES_MAX || (changes > 1 && this.#bytes - mark.bytes > STEP_BYTES_MAX);
  }

  get(key: string): Change | undefined {
    const staged = this.#staged(key);
    if (staged !== undefined) return staged;
    if (this.#read?.key !== key || !this.#read.isWhole) {
      this.#read = { key, entry: this.#view.get(key), isWhole: true };
    }
    return this.#read.entry;
  }

  /** As `get`, for deciding a plain put: what it doesn't ask for is not read. */
  before(key: string): Change | undefined {
    const staged = this.#staged(key);
    if (staged !== undefined) return staged;
    if (this.#read?.key !== key) this.#read = { key, entry: this.#view.before(key), isWhole: false };
    return this.#read.entry;
  }

  /** Whether there is a step below that the view does not show yet. */
  get liesOnAnother(): boolean {
    return this.#below !== undefined;
  }

  /** Whether the key is changed by this step, whatever the one below does. */
  changesByItself(key: string): boolean {
    return this.#latest.has(key);
  }

  /** A change of this step, or of the one below. */
  at(offset: number): Change | undefined {
    const change = this.placed[offset - this.#base - 1]?.change;
    return change?.offset === offset ? change : this.#below?.at(offset);
  }

  /** Gives a draft its place. */
  add(draft: ChangeDraft): Change {
    const before = this.before(draft.key);
    const offset = this.head + 1;
    const change = placeChange(draft, before, { partition: this.#partition, offset });
    this.placed.push({ change, before });
    this.#latest.set(change.key, change);
    this.#bytes +=
      CHANGE_OVERHEAD_BYTES + change.key.length + (change.value === undefined ? 0 : payloadBytes(change.value));
    return change;
  }

  /** A change that another has given its place. */
  takeOver(change: Change): void {
    this.placed.push({ change, before: this.before(change.key) });
    this.#latest.set(change.key, change);
  }

  /** Notes something beside the changes; `undo` takes it back should the batch be rolled back or the step fail. */
  note(undo: () => void): void {
    this.#undos.push(undo);
  }

  #staged(key: string): Change | undefined {
    const staged = this.#latest.get(key);
    if (staged !== undefined || this.#below === undefined) return staged;
    return this.#below.#staged(key);
  }

  mark(): Mark {
    return { placed: this.placed.length, bytes: this.#bytes, undos: this.#undos.length };
  }

  /** Takes back all that was added since the mark. */
  rollback(mark: Mark): void {
    while (this.placed.length > mark.placed) {
      const { change, before } = this.placed.pop() as Placed;
      // What was before the stage is read again: it may be no more of the entry than the put needed.
      if (before === undefined || before.offset <= this.#base) this.#latest.delete(change.key);
      else this.#latest.set(change.key, before);
    }
    this.#bytes = mark.bytes;
    while (this.#undos.length > mark.undos) this.#undos.pop()?.();
  }
}

/** Of a change that is decided at the step's `now`: so is its `updated` where its sender told none. */
function movedUp(change: Change, up: number, from: number, nowMicros: number): Change {
  const { decided, offset, previous, updated } = change;
  return {
    ...change,
    offset: offset + up,
    previous: previous > from ? previous + up : previous,
    valueOffset: offset + up,
    updated: updated.text === undefined && updated.micros === decided ? { micros: nowMicros } : updated,
    decided: nowMicros,
  };
}

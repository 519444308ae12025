import type { Step } from './view.ts';

/** What the view knows of itself, written with every step in one small record. Arrays are indexed by partition. */
export interface ViewState {
  /** Steps written to this store so far: what a process that reads along knows a moment of it by. */
  readonly steps: number;
  readonly nowMicros: number;
  readonly heads: readonly number[];
  readonly historyFloors: readonly number[];
  readonly tombstoneFloors: readonly number[];
  /** Bytes of the records between history floor and head. */
  readonly windowBytes: readonly number[];
  /** Entries that are not tombstones. */
  readonly keys: number;
  /** Bytes of all records. */
  readonly bytes: number;
}

/** A state while a step is being written: adopted when the step is durable, thrown away when it failed. */
export interface DraftState {
  steps: number;
  nowMicros: number;
  heads: number[];
  historyFloors: number[];
  tombstoneFloors: number[];
  windowBytes: number[];
  keys: number;
  bytes: number;
}

export function emptyState(partitions: number): ViewState {
  const zeros = () => new Array<number>(partitions).fill(0);
  return {
    steps: 0,
    nowMicros: 0,
    heads: zeros(),
    historyFloors: zeros(),
    tombstoneFloors: zeros(),
    windowBytes: zeros(),
    keys: 0,
    bytes: 0,
  };
}

export function draftOf(state: ViewState): DraftState {
  return {
    ...state,
    heads: [...state.heads],
    historyFloors: [...state.historyFloors],
    tombstoneFloors: [...state.tombstoneFloors],
    windowBytes: [...state.windowBytes],
  };
}

/** What a step says of the state as a whole, once its changes are written. */
export function finishDraft(draft: DraftState, step: Pick<Step, 'collectTo' | 'fill' | 'head'>): void {
  if (step.head !== undefined) draft.heads[0] = Math.max(draft.heads[0] as number, step.head);
  if (step.collectTo !== undefined)
    draft.tombstoneFloors[0] = Math.max(draft.tombstoneFloors[0] as number, step.collectTo);
  if (step.fill === undefined) return;
  // What lies between the changes of a filled view is not known: no window reaches into it.
  draft.historyFloors = [...draft.heads];
  draft.windowBytes = draft.windowBytes.map(() => 0);
}

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

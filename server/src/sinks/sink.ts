import type { LogState } from '../log/log.ts';

export interface SinkState extends LogState {
  /** Whether this node is the one that writes there now; the others stand by. */
  readonly isHolder: boolean;
  /** Offsets of the log that the holder has yet to look at. */
  readonly behind: number;
  /** Changes that this node has written there since it started. */
  readonly written: number;
}

/**
 * Writes changes elsewhere: in the log's order, each at least once, by one node at a time. It reads the view from a position that it
 * keeps in the log, and holds nothing but that position, so a target that is slow or gone delays nobody. Faults make it wait with
 * jittered backoff and say so in `state`; a position that the log no longer holds everything since is answered with the last change
 * of each key.
 */
export interface Sink {
  readonly name: string;
  readonly kind: 'redis';
  /** Begins, and never fails: what keeps it from writing is in `state`. */
  start(): void;
  state(): SinkState;
  /** Keeps its position and hands over to another node. Idempotent. */
  close(): Promise<void>;
}

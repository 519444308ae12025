import type { Position, Version } from '@latchkey/client';
import type { Command, Outcome, Refusal } from '../commands/command.ts';
import type { Principal } from '../shared/access.ts';
import type { View } from '../view/view.ts';
import type { DeadLetterDraft, DeadLetters, MessageOfCommands } from './dead-letter.ts';
import type { Leases } from './lease.ts';

/** A source's own offset in one of its partitions, moved by compare-and-set in the step that makes the batch durable. */
export interface ProgressStep {
  readonly source: string;
  readonly sourcePartition: string;
  /** What the sender believes; `null` where the source has never been here. */
  readonly expected: string | null;
  readonly next: string;
}

/** A key as it was found: the version of its last change, also of a removal; undefined where it had none. */
export interface Found {
  readonly key: string;
  readonly version: Version | undefined;
  /** Whether there was an entry that a reader is served. */
  readonly isLive: boolean;
}

export interface Batch {
  /** Decided one by one, in order, each seeing the earlier ones. A refusal keeps its place and becomes its outcome. */
  readonly commands: readonly (Command | Refusal)[];
  readonly principal: Principal;
  readonly origin?: string;
  /** All or nothing: one `refused`, `conflict` or `late` outcome and nothing of the batch is kept; the others become `refused` with `atomic-aborted`. */
  readonly atomic?: boolean;
  /** Its changes become durable together, whatever each outcome is: `batch-too-big` where they don't fit one step. */
  readonly oneStep?: boolean;
  /** Where one of these keys is no longer as it was found, the batch is refused with `conflict`. */
  readonly ifUnchanged?: readonly Found[];
  /** A repeat of the same sequence is answered with the first outcomes. Sequences of an incarnation only grow. */
  readonly sender?: { readonly incarnation: string; readonly sequence: number };
  readonly progress?: ProgressStep;
  /** Checked in the durable step: a lease that moved on refuses the batch with `conflict`. */
  readonly fence?: { readonly lease: string; readonly number: number };
  readonly deadLetters?: {
    readonly add?: readonly DeadLetterDraft[];
    /** Messages that the commands were made of: those of which a command is refused, here or when it is decided, are added. */
    readonly ifRefused?: readonly MessageOfCommands[];
    readonly drop?: readonly string[];
    readonly countReplay?: readonly string[];
  };
}

/** Outcomes in the order of the commands, and a position at which all of them can be read (here at once; elsewhere by `minPosition`). */
export interface Settled {
  readonly outcomes: readonly Outcome[];
  readonly position: Position;
}

/** Commands by what their senders were told, since the log was opened. A batch that failed as a whole has no outcomes. */
export type OutcomeCounts = Readonly<Record<Outcome['outcome'], number>>;

/** What a server that keeps the log promises, by its settings. */
export interface Durability {
  readonly persistence: 'every-write' | 'every-second' | 'snapshots' | 'none' | 'unknown';
  /** The same in a sentence for the operator. */
  readonly means: string;
}

export interface LogState {
  readonly isReady: boolean;
  /** Why not, in a sentence for the operator. */
  readonly reason?: string;
  /** What becomes of an answered write in a crash, where that is up to another server. */
  readonly durability?: Durability;
}

/**
 * Orders changes, makes them durable, hands out offsets, and keeps source progress, dead letters and leases beside them.
 *
 * A log MUST NOT answer before the batch is durable by its own meaning of the word, MUST NOT show through `view` what it could
 * still lose, and MUST give every change its own offset, growing within a partition. Submissions of one caller are decided in the
 * order of the calls.
 */
export interface Log {
  readonly kind: 'local' | 'redis' | 'kafka';
  /** A random id of this process's run. */
  readonly node: string;
  readonly view: View;
  readonly deadLetters: DeadLetters;
  readonly leases: Leases;
  /** Absent where batches are handed on to the log of another process, which counts them. */
  readonly outcomes?: OutcomeCounts;
  /**
   * Every write of Latchkey is this call.
   * @throws LatchkeyError `overloaded`, `batch-too-big`, `progress-mismatch` (with `progress`), `conflict` (fence, `ifUnchanged`), `storage-full`,
   *   `not-ready`, `closing`; then nothing of the batch was kept. Single refusals are outcomes, not errors. `timeout`: it may have been
   *   kept, or was, but not as safely as was asked for; only a log at another machine says that.
   */
  submit(batch: Batch): Promise<Settled>;
  /**
   * For a log that other nodes write too, and a position that this one has not reached: resolves when it has, or when the log says that
   * it has no such position. Undefined: there is nothing to wait for.
   * @throws LatchkeyError `position-ahead` when it did not within `timeoutMs`, `not-ready` where the log can't be asked, `closing` when aborted
   */
  catchUpTo?(position: Position, timeoutMs: number, signal?: AbortSignal): Promise<void> | undefined;
  /** Offsets by source partition; empty where the source is unknown. */
  progress(source: string): Promise<Readonly<Record<string, string>>>;
  state(): LogState;
  /**
   * Called when what is durable in the log can't be shown by this node's view any more: whoever watches here is better off elsewhere.
   * Only a log that other nodes have too has this. Returns the way to stop.
   */
  onUnfit?(listener: () => void): () => void;
  /** Writes a copy that `restore` takes, while everything goes on. `path` must not exist. */
  backup(path: string): Promise<{ readonly bytes: number; readonly position: Position }>;
  /** Finishes what was submitted, refuses the rest with `closing`, and releases everything. Idempotent. */
  close(): Promise<void>;
}

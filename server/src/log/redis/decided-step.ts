import type { Change } from '../../shared/change.ts';
import type { Touched } from '../job-queue.ts';
import type { Stage } from '../stage.ts';
import { type KeyFindings, keyWrites, type Observed } from './key-writes.ts';
import { moveOutcomes, rebaseOf } from './rebase.ts';
import type { AppendRequest, Head, LogRecord, Rebased, TableWrite } from './redis-store.ts';

/** What one append takes beside the changes of its stage. */
export interface StepClosing {
  readonly head: Head;
  readonly token: string;
  readonly tables: readonly TableWrite[];
  readonly writer: AppendRequest['writer'];
  readonly wantsTurn: boolean;
}

/** A step that is decided on a head, from its first command to the record that every node applies. */
export class DecidedStep implements KeyFindings {
  readonly stage: Stage;
  readonly touched: Touched[] = [];
  readonly observed = new Map<string, Observed>();
  /** What others wrote and this step met: when they did nobody knows, but that it was after the entry that the log had, if any. */
  readonly met = new Map<string, { readonly entry: Change; readonly afterMicros: number }>();
  readonly foreign = new Map<string, string>();
  /** Keys that the log never had, of commands that came to nothing for that reason. No append looks at them. */
  readonly unseen = new Set<string>();
  /** Keys that a command left as they are, with their last change. */
  readonly looked = new Map<string, Change | undefined>();
  readonly collected: { readonly key: string; readonly offset: number }[] = [];
  /** Of leases that what it decides by itself is made under. */
  readonly fences = new Map<string, number>();
  /** What was decided on top of it, if anything was. */
  above: DecidedStep | undefined;
  #request: AppendRequest | undefined;

  constructor(stage: Stage) {
    this.stage = stage;
  }

  /** Whether nothing needs to be written. */
  get isEmpty(): boolean {
    return this.stage.isEmpty && this.collected.length === 0;
  }

  get record(): LogRecord {
    return this.request.record;
  }

  get request(): AppendRequest {
    if (this.#request === undefined) throw new Error('a step was appended before it was closed');
    return this.#request;
  }

  /** The log went on before it, and it was appended after that. `below`: what lies in between; undefined: nobody decides on it any more. */
  moveUp(below: Stage | undefined, { first, nowMicros }: Rebased): void {
    const { record } = this;
    const move = this.stage.moveUp(first - 1, nowMicros, below);
    moveOutcomes(this.touched, record.first - 1, first - record.first, move);
    const changes = this.stage.placed.map(({ change }) => change);
    const last = first + record.last - record.first;
    this.#request = { ...this.request, record: { ...record, first, last, nowMicros, changes } };
  }

  close({ head, tables, token, wantsTurn, writer }: StepClosing): AppendRequest {
    const { placed } = this.stage;
    const changes = new Array(placed.length);
    for (let index = 0; index < placed.length; index += 1) changes[index] = placed[index]?.change;
    const floor = this.collected.reduce((max, { offset }) => Math.max(max, offset), 0);
    for (const { error, job } of this.touched) {
      const { fence } = job.run.batch;
      // One that was refused, for its fence it may be, is not part of what is appended.
      if (fence !== undefined && error === undefined) this.fences.set(fence.lease, fence.number);
    }
    this.#request = {
      head,
      record: {
        first: head.offset + 1,
        last: Math.max(head.offset + 1, this.stage.head),
        token,
        nowMicros: this.stage.nowMicros,
        epoch: undefined,
        tombstoneFloor: floor === 0 ? undefined : floor,
        changes,
        tables,
      },
      keys: keyWrites(placed, this.stage.nowMicros, this),
      fences: [...this.fences].map(([lease, number]) => ({ lease, number })),
      collected: this.collected.map(({ key }) => key),
      epochs: [],
      writer,
      wantsTurn,
      rebase: tables.length > 0 ? undefined : rebaseOf(this),
    };
    return this.#request;
  }
}

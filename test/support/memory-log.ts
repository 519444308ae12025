/**
 * A log and its view in memory, for tests of what stands above them: the real `decide`, offsets, source progress, idempotency
 * keys, dead letters. It flushes nothing: every batch is durable at once.
 */
import { LatchkeyError, type Position } from '@latchkey/client';
import {
  type Command,
  type KeyCommand,
  type Outcome,
  REMOVED_KEYS_MAX,
  type Refusal,
} from '../../server/src/commands/command.ts';
import { decide } from '../../server/src/commands/decide.ts';
import { finishOutcome, placeChange } from '../../server/src/commands/decision.ts';
import { decideDue } from '../../server/src/commands/due.ts';
import {
  type DeadLetter,
  type DeadLetterDraft,
  type DeadLetters,
  lettersOfRefused,
} from '../../server/src/log/dead-letter.ts';
import type { Leases } from '../../server/src/log/lease.ts';
import type { Batch, Log, LogState, Settled } from '../../server/src/log/log.ts';
import type { Change, ChangeDraft } from '../../server/src/shared/change.ts';
import { MemoryView } from './memory-view.ts';

class LogView extends MemoryView {
  override async reach(position: Position = this.position(), timeoutMs = 0, signal?: AbortSignal): Promise<void> {
    const offset = position.components[0]?.offset ?? 0;
    if (this.epochs.holdsPosition(position) && this.head(0) >= offset) return;
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: LatchkeyError): void => {
        clearTimeout(timer);
        stop();
        signal?.removeEventListener('abort', aborted);
        if (error === undefined) resolve();
        else reject(error);
      };
      const aborted = (): void => settle(new LatchkeyError('closing', 'The reader went.'));
      const late = (): void =>
        settle(new LatchkeyError('position-ahead', `Offset ${offset} was not reached in ${timeoutMs} ms.`));
      const timer = setTimeout(late, timeoutMs);
      const stop = this.onDurable(() => {
        if (this.head(0) >= offset) settle();
      });
      signal?.addEventListener('abort', aborted);
    });
  }
}

/** What a batch has decided so far: later commands see it, the view does not yet. */
interface Staged {
  readonly drafts: ChangeDraft[];
  readonly entries: Map<string, Change>;
  readonly batch: Batch;
}

class MemoryDeadLetters implements DeadLetters {
  readonly letters: DeadLetter[] = [];
  dropped = 0;
  #next = 1;

  add(draft: DeadLetterDraft, receivedAt: number): void {
    this.letters.push({ ...draft, id: `${this.#next++}`.padStart(8, '0'), receivedAt, replays: 0 });
  }

  drop(id: string): void {
    const index = this.letters.findIndex((letter) => letter.id === id);
    if (index >= 0) this.letters.splice(index, 1);
  }

  count(id: string): void {
    const index = this.letters.findIndex((letter) => letter.id === id);
    const letter = this.letters[index];
    if (letter !== undefined) this.letters[index] = { ...letter, replays: letter.replays + 1 };
  }

  get(id: string): DeadLetter | undefined {
    return this.letters.find((letter) => letter.id === id);
  }

  list({ after = '', limit, source }: { readonly after?: string; readonly limit: number; readonly source?: string }) {
    const matching = this.letters.filter(
      (letter) => letter.id > after && (source === undefined || letter.source === source),
    );
    const deadLetters = matching.slice(0, limit);
    const next = deadLetters.at(-1)?.id;
    return matching.length > limit && next !== undefined ? { deadLetters, next } : { deadLetters };
  }

  counts() {
    return {
      held: this.letters.length,
      bytes: this.letters.reduce((sum, { message }) => sum + message.length, 0),
      dropped: this.dropped,
    };
  }
}

/** The log's now is `view.now`, which the test moves. */
export class MemoryLog implements Log {
  readonly kind = 'local';
  readonly node = 'memory';
  readonly view = new LogView();
  readonly deadLetters = new MemoryDeadLetters();
  readonly leases: Leases = { acquire: async () => undefined };
  /** What `submit` throws instead of deciding, until it is set back. */
  fault: LatchkeyError | undefined;
  ready: LogState = { isReady: true };
  readonly batches: Batch[] = [];
  readonly #progress = new Map<string, Record<string, string>>();
  readonly #told = new Map<string, { readonly body: string; readonly outcome: Outcome }>();
  readonly #valueBytesMax: number;

  constructor(valueBytesMax = 1024 * 1024) {
    this.#valueBytesMax = valueBytesMax;
  }

  async submit(batch: Batch): Promise<Settled> {
    if (this.fault !== undefined) throw this.fault;
    this.batches.push(batch);
    this.#moveProgress(batch);
    const staged: Staged = { drafts: [], entries: new Map(), batch };
    const outcomes = batch.commands.map((command) => this.#decideOnce(command, staged));
    if (batch.atomic === true && outcomes.some(isFailed)) {
      return { outcomes: outcomes.map(aborted), position: this.view.position() };
    }
    const refused = lettersOfRefused(batch.deadLetters?.ifRefused ?? [], outcomes);
    for (const draft of [...(batch.deadLetters?.add ?? []), ...refused]) this.deadLetters.add(draft, this.view.now);
    for (const id of batch.deadLetters?.drop ?? []) this.deadLetters.drop(id);
    for (const id of batch.deadLetters?.countReplay ?? []) this.deadLetters.count(id);
    if (staged.drafts.length > 0) this.view.write(...staged.drafts);
    return { outcomes, position: this.view.position() };
  }

  /** Decides what is due by now, as a log does by itself. */
  tick(): void {
    const drafts = this.view.entries().map((entry) => decideDue(entry, this.view.now));
    this.view.write(...drafts.filter((draft) => draft !== undefined));
  }

  async progress(source: string): Promise<Readonly<Record<string, string>>> {
    return this.#progress.get(source) ?? {};
  }

  state(): LogState {
    return this.ready;
  }

  backup(): Promise<never> {
    return Promise.reject(new Error('a log in memory has nothing to back up'));
  }

  async close(): Promise<void> {
    this.fault = new LatchkeyError('closing', 'The log is closed.');
  }

  #moveProgress({ progress }: Batch): void {
    if (progress === undefined) return;
    const { expected, next, source, sourcePartition } = progress;
    const held = this.#progress.get(source) ?? {};
    if ((held[sourcePartition] ?? null) !== expected) {
      throw new LatchkeyError('progress-mismatch', `The source ${source} is elsewhere.`, { extra: { progress: held } });
    }
    this.#progress.set(source, { ...held, [sourcePartition]: next });
  }

  #decideOnce(command: Command | Refusal, staged: Staged): Outcome {
    if ('outcome' in command) return command;
    const { idempotencyKey } = command;
    if (idempotencyKey === undefined) return this.#decide(command, staged);
    const body = JSON.stringify(command);
    const told = this.#told.get(idempotencyKey);
    if (told !== undefined && told.body !== body) {
      return { outcome: 'refused', code: 'idempotency-mismatch', message: 'The key was used with another body.' };
    }
    const outcome = told?.outcome ?? this.#decide(command, staged);
    this.#told.set(idempotencyKey, { body, outcome });
    return outcome;
  }

  #decide(command: Command, staged: Staged): Outcome {
    if (command.op !== 'removeMatching') return this.#decideKey(command, staged);
    if (staged.batch.atomic === true) {
      return { outcome: 'refused', code: 'not-atomic', message: 'removeMatching cannot be atomic.' };
    }
    const { pattern } = command;
    const keys = this.view.list({ pattern, limit: Number.MAX_SAFE_INTEGER }).entries.map(({ key }) => key);
    const shown = keys.slice(0, REMOVED_KEYS_MAX);
    const truncated = keys.length > shown.length;
    if (command.dryRun === true) return { outcome: 'value', keys: shown, truncated };
    const last = keys.map((key) => this.#decideKey({ op: 'remove', key }, staged)).at(-1);
    const version = last?.outcome === 'applied' ? last.version : undefined;
    const told = { outcome: 'applied', removed: keys.length, keys: shown, truncated } as const;
    return version === undefined ? told : { ...told, version };
  }

  #decideKey(command: KeyCommand, { batch, drafts, entries }: Staged): Outcome {
    const { epochs, now } = this.view;
    const entryOf = (): Change | undefined => entries.get(command.key) ?? this.view.get(command.key);
    const headOf = (): number => this.view.head(0) + drafts.length;
    const decision = decide(entryOf(), command, {
      now,
      maxFutureSkewMicros: 3600 * 1_000_000,
      valueBytesMax: this.#valueBytesMax,
      origin: batch.origin,
      holdsVersion: ({ epoch, offset, partition }) => epochs.holds(epoch, partition, offset) && offset <= headOf(),
    });
    for (const draft of decision.drafts) {
      const change = placeChange(draft, entryOf(), { partition: 0, offset: headOf() + 1 });
      drafts.push(draft);
      entries.set(change.key, change);
    }
    return finishOutcome(decision.outcome, entryOf(), (change) => epochs.version(change));
  }
}

function isFailed({ outcome }: Outcome): boolean {
  return outcome === 'refused' || outcome === 'conflict' || outcome === 'late';
}

function aborted(outcome: Outcome): Outcome {
  if (isFailed(outcome)) return outcome;
  return { outcome: 'refused', code: 'atomic-aborted', message: 'Another command of this batch was refused.' };
}

import { LatchkeyError, type Version } from '@latchkey/client';
import {
  type Command,
  type KeyCommand,
  type Outcome,
  type PutCommand,
  REMOVED_KEYS_MAX,
  type Refusal,
  type RemoveMatchingCommand,
} from '../commands/command.ts';
import { decide } from '../commands/decide.ts';
import { type DecideContext, finishOutcome } from '../commands/decision.ts';
import { type Change, isLive } from '../shared/change.ts';
import { compileGlob } from '../shared/glob.ts';
import type { BatchParts } from './batch-parts.ts';
import { ABORTED, isFailure, refused, tooBig } from './batch-refusals.ts';
import { lettersOfRefused } from './dead-letter.ts';
import { digestOf } from './idempotency-table.ts';
import type { Batch, Found } from './log.ts';
import type { Stage } from './stage.ts';

/** A `removeMatching` that is under way: it may take several steps. */
interface Removal {
  readonly keys: string[];
  removed: number;
  after: string | undefined;
  version: Version | undefined;
}

/** A batch as it was before a step. */
export interface RunMark {
  readonly outcomes: number;
  readonly removal: (Removal & { readonly listed: number }) | undefined;
}

/**
 * One batch on its way through deciding: its commands in order, each seeing the earlier ones, over as many steps as it takes.
 *
 * Invariant: `outcomes` holds exactly the outcomes of the commands before `#next`.
 */
export class BatchRun {
  readonly batch: Batch;
  readonly outcomes: Outcome[] = [];
  readonly #parts: BatchParts;
  readonly #mustFitOneStep: boolean;
  readonly #versionOf: (change: Change) => Version;
  /** For the stage that it was made for: each of its commands is decided at the same moment. */
  #context: { readonly stage: Stage; readonly decide: DecideContext } | undefined;
  #isPlain: boolean | undefined;
  #next = 0;
  #removal: Removal | undefined;

  constructor(batch: Batch, parts: BatchParts) {
    this.batch = batch;
    this.#parts = parts;
    this.#versionOf = (change) => parts.view.epochs.version(change);
    const { atomic, deadLetters, fence, oneStep, progress } = batch;
    this.#mustFitOneStep =
      atomic === true || oneStep === true || progress !== undefined || fence !== undefined || deadLetters !== undefined;
  }

  /**
   * Whether nothing but keys' last changes decides it, and nothing is kept beside its changes: then it can be decided on a step that
   * may still fail, and decided again.
   */
  get isPlain(): boolean {
    this.#isPlain ??= this.#lookPlain();
    return this.#isPlain;
  }

  #lookPlain(): boolean {
    if (this.#mustFitOneStep || this.batch.sender !== undefined || this.batch.ifUnchanged !== undefined) return false;
    return this.batch.commands.every(
      (command) => 'outcome' in command || (command.op !== 'removeMatching' && command.idempotencyKey === undefined),
    );
  }

  /** Where it is, for `rewind`. */
  mark(): RunMark {
    const removal = this.#removal;
    return { outcomes: this.#next, removal: removal && { ...removal, listed: removal.keys.length } };
  }

  /** Forgets what was decided after the mark; the stage it was decided on is thrown away, with the notes it took. */
  rewind({ outcomes, removal }: RunMark): void {
    this.outcomes.length = outcomes;
    this.#next = outcomes;
    this.#removal = removal;
    if (removal !== undefined) removal.keys.length = removal.listed;
  }

  /**
   * Decides as much as the stage takes. `more`: the stage must become durable before the rest.
   * @throws LatchkeyError for the batch as a whole; the stage is then as before.
   */
  run(stage: Stage): 'done' | 'more' {
    const mark = stage.mark();
    try {
      const repeat = this.#repeat(stage);
      if (repeat !== undefined) {
        this.outcomes.push(...repeat);
        return 'done';
      }
      this.#checkUnchanged(stage);
      const result = this.#mustFitOneStep ? this.#runWhole(stage) : this.#runPart(stage);
      if (result === 'done') this.#rememberSender(stage);
      return result;
    } catch (error) {
      stage.rollback(mark);
      throw error;
    }
  }

  #runPart(stage: Stage): 'done' | 'more' {
    const { commands } = this.batch;
    while (this.#next < commands.length) {
      if (stage.isFull) return 'more';
      const command = commands[this.#next] as Command | Refusal;
      const outcome = this.#outcomeOf(command, stage);
      if (outcome === undefined) return 'more';
      this.outcomes.push(outcome);
      this.#next += 1;
    }
    return 'done';
  }

  #runWhole(stage: Stage): 'done' | 'more' {
    const mark = stage.mark();
    const isFresh = stage.isEmpty;
    this.#checkFence();
    if (this.batch.progress !== undefined) this.#parts.progress.advance(stage, this.batch.progress);
    for (const command of this.batch.commands) {
      const outcome = this.#wholeOutcomeOf(command, stage);
      this.outcomes.push(outcome);
      if (stage.isOversized(mark)) throw tooBig();
    }
    this.#stageDeadLetters(stage);
    if (this.batch.atomic === true && this.outcomes.some(isFailure)) {
      stage.rollback(mark);
      this.outcomes.forEach((outcome, index) => {
        if (!isFailure(outcome)) this.outcomes[index] = ABORTED;
      });
      return 'done';
    }
    if (stage.isOversized() && !isFresh) {
      stage.rollback(mark);
      this.outcomes.length = 0;
      return 'more';
    }
    return 'done';
  }

  #stageDeadLetters(stage: Stage): void {
    if (this.batch.deadLetters === undefined) return;
    const { ifRefused = [], ...ops } = this.batch.deadLetters;
    const refused = lettersOfRefused(ifRefused, this.outcomes);
    const add = refused.length === 0 ? ops.add : [...(ops.add ?? []), ...refused];
    if (add !== undefined || ops.drop !== undefined || ops.countReplay !== undefined)
      this.#parts.deadLetters.stage(stage, add === undefined ? ops : { ...ops, add });
  }

  #wholeOutcomeOf(command: Command | Refusal, stage: Stage): Outcome {
    if ('op' in command && command.op === 'removeMatching') {
      if (this.batch.atomic === true)
        return refused('not-atomic', '`removeMatching` cannot be part of an atomic batch; send it by itself.', 'op');
      const outcome = this.#removeMatching(command, stage, Number.POSITIVE_INFINITY);
      if (outcome === undefined) throw tooBig();
      return outcome;
    }
    return this.#outcomeOf(command, stage) as Outcome;
  }

  /** Undefined: it goes on in the next step. */
  #outcomeOf(command: Command | Refusal, stage: Stage): Outcome | undefined {
    if ('outcome' in command) return command;
    const name =
      command.idempotencyKey === undefined ? undefined : `key\0${this.batch.principal.id}\0${command.idempotencyKey}`;
    if (name === undefined) return this.#decideCommand(command, stage);
    const digest = digestOf(command);
    const first = this.#removal === undefined ? this.#parts.idempotency.find(stage, name, digest) : undefined;
    if (first === 'mismatch') {
      return refused(
        'idempotency-mismatch',
        'The idempotency key was used before with another body; take a new key for a new command.',
        'idempotencyKey',
      );
    }
    if (first !== undefined) return first[0];
    const outcome = this.#decideCommand(command, stage);
    if (outcome !== undefined && outcome.outcome !== 'refused' && outcome.outcome !== 'value') {
      this.#parts.idempotency.remember(stage, name, digest, [outcome]);
    }
    return outcome;
  }

  #decideCommand(command: Command, stage: Stage): Outcome | undefined {
    return command.op === 'removeMatching'
      ? this.#removeMatching(command, stage, EXPAND_MAX)
      : this.#decideKey(command, stage);
  }

  #decideKey(given: KeyCommand, stage: Stage): Outcome {
    const { access, settings, shared } = this.#parts;
    const action = given.op === 'read' ? 'read' : 'write';
    if (!access.allowed(this.batch.principal, action, given.key)) {
      return refused('forbidden', `This principal may not ${action} that key.`, 'key');
    }
    const command = shared === undefined ? given : shared.admit(given, stage);
    if ('outcome' in command) return command;
    const entry = isPlainPut(command) ? stage.before(command.key) : stage.get(command.key);
    if ((command.op === 'put' || command.op === 'merge') && this.#isStoreFull(entry, stage)) {
      const limit = settings.limits.storeBytesMax;
      const message = `The store holds limits.storeBytesMax (${limit} bytes): new keys are refused until something is removed or the setting is raised.`;
      return refused('store-full', message, 'key', limit);
    }
    const decision = decide(entry, command, this.#contextOf(stage));
    let last = entry;
    for (const draft of decision.drafts) last = stage.add(draft);
    if (command.op === 'observe') shared?.observed(command, last);
    else if (decision.drafts.length === 0) shared?.unchanged(command, entry);
    return finishOutcome(decision.outcome, last, this.#versionOf);
  }

  #contextOf(stage: Stage): DecideContext {
    if (this.#context?.stage === stage) return this.#context.decide;
    const { settings, view } = this.#parts;
    const { deciding, limits } = settings;
    const decide: DecideContext = {
      now: stage.nowMicros,
      maxFutureSkewMicros: deciding.maxFutureSkewMs * 1000,
      valueBytesMax: limits.valueBytesMax,
      origin: this.batch.origin,
      holdsVersion: ({ epoch, partition, offset }) =>
        view.epochs.holds(epoch, partition, offset) && offset <= (partition === 0 ? stage.head : view.head(partition)),
    };
    this.#context = { stage, decide };
    return decide;
  }

  #isStoreFull(entry: Change | undefined, stage: Stage): boolean {
    const max = this.#parts.settings.limits.storeBytesMax;
    if (max === 0 || (entry !== undefined && isLive(entry, stage.nowMicros))) return false;
    return this.#parts.view.counts().bytes + stage.bytes >= max;
  }

  #removeMatching(command: RemoveMatchingCommand, stage: Stage, examineMax: number): Outcome | undefined {
    const removal = this.#removal ?? this.#startRemoval(command, stage);
    let pages = 0;
    for (;;) {
      const page = this.#parts.view.list({
        pattern: command.pattern,
        limit: 250,
        ...(removal.after === undefined ? {} : { after: removal.after }),
      });
      for (const { key } of page.entries) this.#removeOne(key, command, stage, removal);
      removal.after = page.next;
      if (page.next === undefined) break;
      pages += 1;
      if (pages >= examineMax || stage.isFull) return undefined;
    }
    this.#removal = undefined;
    const { keys, removed, version } = removal;
    const truncated = removed > keys.length;
    if (command.dryRun === true) return { outcome: 'value', keys, truncated };
    return { outcome: 'applied', removed, keys, truncated, ...(version === undefined ? {} : { version }) };
  }

  /** What is staged is not in the view's list yet, so it goes first. */
  #startRemoval(command: RemoveMatchingCommand, stage: Stage): Removal {
    const removal: Removal = { keys: [], removed: 0, after: undefined, version: undefined };
    this.#removal = removal;
    const glob = compileGlob(command.pattern);
    const staged = new Set(stage.placed.map(({ change }) => change.key).filter((key) => glob.matches(key)));
    for (const key of staged) {
      if (this.#parts.view.get(key)?.op !== 'remove' && this.#parts.view.get(key) !== undefined) continue;
      this.#removeOne(key, command, stage, removal);
    }
    return removal;
  }

  #removeOne(key: string, command: RemoveMatchingCommand, stage: Stage, removal: Removal): void {
    if (command.dryRun === true) {
      const entry = stage.get(key);
      if (entry === undefined || !isLive(entry, stage.nowMicros)) return;
      if (!this.#parts.access.allowed(this.batch.principal, 'read', key)) return;
    } else {
      const outcome = this.#decideKey({ op: 'remove', key }, stage);
      if (outcome.outcome !== 'applied') return;
      removal.version = outcome.version;
    }
    removal.removed += 1;
    if (removal.keys.length < REMOVED_KEYS_MAX) removal.keys.push(key);
  }

  #checkFence(): void {
    const { fence } = this.batch;
    if (fence === undefined) return;
    const current = this.#parts.leases.fencedBy(fence.lease, fence.number);
    if (current === undefined) return;
    throw new LatchkeyError(
      'conflict',
      `The lease ${fence.lease} is at fence ${current}, not ${fence.number}: somebody else holds it now.`,
      {
        field: 'fence',
      },
    );
  }

  /** Before the first of its commands is decided: what they do is no change by somebody else. */
  #checkUnchanged(stage: Stage): void {
    const { ifUnchanged } = this.batch;
    if (ifUnchanged === undefined || this.#next > 0 || this.#removal !== undefined) return;
    const changed = ifUnchanged.find((found) => !this.#isAsFound(found, stage));
    if (changed === undefined) return;
    const message = `The key ${changed.key} has changed since it was read; read it again, then repeat.`;
    throw new LatchkeyError('conflict', message, { field: 'ifUnchanged' });
  }

  #isAsFound({ isLive: wasLive, key, version }: Found, stage: Stage): boolean {
    const last = stage.get(key);
    // A removal that was found may have been collected since.
    if (last === undefined || version === undefined) return last === undefined && !wasLive;
    // What was found expired is as good as removed; that the log says so later is no change.
    const isTold = !wasLive && last.op === 'remove' && last.reason === 'expired' && last.previous === version.offset;
    if (last.partition !== version.partition || (last.offset !== version.offset && !isTold)) return false;
    return isLive(last, stage.nowMicros) === wasLive && this.#contextOf(stage).holdsVersion(version);
  }

  #senderName(): string | undefined {
    const { sender } = this.batch;
    return sender === undefined ? undefined : `sender\0${sender.incarnation}\0${sender.sequence}`;
  }

  #repeat(stage: Stage): readonly Outcome[] | undefined {
    const name = this.#senderName();
    if (name === undefined || this.#next > 0 || this.#removal !== undefined) return undefined;
    const first = this.#parts.idempotency.find(stage, name, '');
    return first === 'mismatch' ? undefined : first;
  }

  #rememberSender(stage: Stage): void {
    const name = this.#senderName();
    if (name !== undefined) this.#parts.idempotency.remember(stage, name, '', this.outcomes);
  }
}

/** Pages of a removal that one step looks at before it lets others on. */
const EXPAND_MAX = 8;

/** Nothing of the entry goes into its outcome or its change, so only what decides it is read. */
function isPlainPut(command: KeyCommand): boolean {
  return (
    command.op === 'put' && command.returnPrevious !== true && command.ifVersion === undefined && !hasPresence(command)
  );
}

function hasPresence({ ifAbsent, ifPresent, keepExpiry }: PutCommand): boolean {
  return ifAbsent === true || ifPresent === true || keepExpiry === true;
}

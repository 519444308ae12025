import { quote } from '@latchkey/client';
import type { KeyCommand, ObserveCommand, Refusal } from '../../commands/command.ts';
import { decide } from '../../commands/decide.ts';
import type { DecideContext } from '../../commands/decision.ts';
import { decideDue } from '../../commands/due.ts';
import type { Settings } from '../../config/settings.ts';
import type { Access } from '../../shared/access.ts';
import type { Change } from '../../shared/change.ts';
import { refuse } from '../../shared/refusal.ts';
import type { WritableView } from '../../view/view.ts';
import type { BatchParts } from '../batch-parts.ts';
import { BatchRun } from '../batch-run.ts';
import { DeadLetterTable } from '../dead-letter-table.ts';
import { IdempotencyTable } from '../idempotency-table.ts';
import type { JobQueue } from '../job-queue.ts';
import type { Batch } from '../log.ts';
import { ProgressTable } from '../progress-table.ts';
import { STEP_CHANGES_MAX, Stage, type StageView } from '../stage.ts';
import { DecidedStep } from './decided-step.ts';
import { foundOf, observationOf } from './found-value.ts';
import { keyNames } from './key-names.ts';
import { RecordedTables } from './recorded-tables.ts';
import type { RedisLeases } from './redis-leases.ts';
import type { Found, TableWrite } from './redis-store.ts';
import type { Replica } from './replica.ts';
import type { ServerTime } from './server-time.ts';

const COLLECT_MAX = 1000;
/** Stands for a type where the Redis does not even tell that. */
export const NOT_PERMITTED = 'not permitted';

export interface DecidingOptions {
  readonly view: WritableView;
  readonly replica: Replica;
  readonly time: ServerTime;
  readonly access: Access;
  readonly leases: RedisLeases;
  readonly settings: Pick<Settings, 'limits' | 'deciding' | 'deadLetters' | 'idempotency' | 'log'>;
}

/**
 * Makes steps of what waits: stands between the queue and the appends. What it decides on is the view, with the steps that the view
 * does not show yet on top; nothing it decides is true before an append, or a look at the head, said so.
 *
 * Invariant: one step at a time has notes (progress, idempotency, dead letters), and only on a view that shows everything before it.
 */
export class Deciding {
  readonly deadLetters: DeadLetterTable;
  /** What was found at keys that an append had expected otherwise; decided first in the next step. */
  readonly findings = new Map<string, Found>();
  readonly #options: DecidingOptions;
  readonly #tables: RecordedTables;
  readonly #progress: ProgressTable;
  readonly #idempotency: IdempotencyTable;
  readonly #parts: BatchParts;
  readonly #ownPrefix: string;
  #current: DecidedStep | undefined;

  constructor(options: DecidingOptions) {
    this.#options = options;
    const { access, leases, settings, view } = options;
    const tables = new RecordedTables(view);
    const ledger = tables.table('ledger');
    this.#tables = tables;
    this.#ownPrefix = keyNames(settings.log.name).prefix;
    this.deadLetters = new DeadLetterTable(tables.table('deadLetters'), ledger, settings.deadLetters);
    this.#progress = new ProgressTable(tables.table('progress'));
    const idempotencyTables = { table: tables.table('idempotency'), order: tables.table('idempotencyOrder'), ledger };
    this.#idempotency = new IdempotencyTable(idempotencyTables, view, settings.idempotency);
    this.#parts = {
      ...{ view, access, settings, leases },
      progress: this.#progress,
      idempotency: this.#idempotency,
      deadLetters: this.deadLetters,
      shared: {
        admit: (command, stage) => this.#admit(command, stage),
        observed: (command, entry) => this.#observed(command, entry),
        unchanged: ({ key, op }, entry) => {
          const step = this.#current;
          if (step === undefined) return;
          if (!step.looked.has(key)) step.looked.set(key, entry);
          if (entry === undefined && op !== 'read') step.unseen.add(key);
        },
      },
    };
  }

  run(batch: Batch): BatchRun {
    return new BatchRun(batch, this.#parts);
  }

  progress(source: string): Readonly<Record<string, string>> {
    return this.#progress.read(source);
  }

  /** A step on all that is known, or on one whose append is on its way. `unshown`: the newest step that the view does not show. */
  begin(unshown: DecidedStep | undefined, base: { readonly offset: number; readonly nowMicros: number }): DecidedStep {
    const { time, view } = this.#options;
    const stageView: StageView = {
      get: (key) => view.get(key),
      before: (key) => view.before(key),
      head: () => base.offset,
      nowMicros: () => time.decidingMicros(base.nowMicros),
    };
    const step = new DecidedStep(new Stage(stageView, unshown?.stage, base.offset));
    if (unshown !== undefined) unshown.above = step;
    return step;
  }

  /** What was found where others write, before anything else of the step. */
  observeFindings(step: DecidedStep): void {
    this.#current = step;
    for (const [key, found] of this.findings) {
      if (found.kind === 'foreign') step.foreign.set(key, found.type);
      else if (!step.observed.has(key) && !step.stage.isFull) this.#observe(key, found, step);
    }
  }

  /** `isAlone`: at most one batch. */
  decideJobs(step: DecidedStep, jobs: JobQueue, isAlone = false): void {
    this.#current = step;
    const isShown = this.#options.replica.waiting === 0 && this.#isOnView(step);
    jobs.decide(step.stage, step.touched, (run) => (isShown || run.isPlain) && !(isAlone && step.touched.length > 0));
  }

  /** On a step whose append is on its way. */
  decideAhead(step: DecidedStep, jobs: JobQueue): void {
    this.#current = step;
    jobs.decide(step.stage, step.touched, (run) => run.isPlain);
  }

  /** Decides what fell due as far as the step takes it, under that fence; whether there may be more. */
  decideDues(step: DecidedStep, fence: number): boolean {
    const { stage } = step;
    if (stage.isFull) return true;
    const max = STEP_CHANGES_MAX - stage.placed.length;
    const dues = this.#options.view.due(stage.nowMicros, max);
    for (const { key } of dues) {
      const entry = stage.get(key);
      const draft = entry === undefined ? undefined : decideDue(entry, stage.nowMicros);
      if (draft === undefined || step.foreign.get(key) === NOT_PERMITTED) continue;
      stage.add(draft);
      step.fences.set('expiry', fence);
      if (stage.isFull) return true;
    }
    return dues.length === max;
  }

  /** Old tombstones go in a step of their own, so that none is of a key which the step changes. */
  collect(step: DecidedStep, fence: number): void {
    const found = this.#options.view.collectable(step.stage.nowMicros, COLLECT_MAX);
    if (found.length === 0) return;
    step.collected.push(...found);
    step.fences.set('expiry', fence);
  }

  /** All that its record has beside its changes. */
  tablesOf(step: DecidedStep): readonly TableWrite[] {
    this.#progress.write();
    this.#idempotency.write(step.stage.nowMicros);
    this.deadLetters.write(step.stage.nowMicros);
    return this.#tables.take();
  }

  /** A closed step is in the log, or came to nothing. */
  settle(isKept: boolean): void {
    this.#progress.settle();
    this.#idempotency.settle(isKept);
    this.deadLetters.settle(isKept);
  }

  /** Other nodes wrote to the tables. */
  reload(): void {
    this.#idempotency.reload();
    this.deadLetters.reload();
  }

  #isOnView(step: DecidedStep): boolean {
    return !step.stage.liesOnAnother;
  }

  #observe(key: string, found: Found, step: DecidedStep): void {
    const { stage } = step;
    let entry = stage.get(key);
    // What is gone and never was in the log is nothing.
    if (found.kind === 'absent' && entry === undefined) return;
    const afterMicros = entry?.updated.micros ?? 0;
    const command = observationOf(key, found, entry?.value);
    for (const draft of decide(entry, command, this.#contextOf(stage)).drafts) {
      entry = stage.add(draft);
      step.met.set(key, { entry, afterMicros });
    }
    step.observed.set(key, { found, entry });
  }

  #contextOf(stage: Stage): DecideContext {
    const { deciding, limits } = this.#options.settings;
    return {
      now: stage.nowMicros,
      maxFutureSkewMicros: deciding.maxFutureSkewMs * 1000,
      valueBytesMax: limits.valueBytesMax,
      holdsVersion: () => false,
    };
  }

  #admit(command: KeyCommand, stage: Stage): KeyCommand | Refusal {
    if (command.op === 'read') return command;
    if (command.key.startsWith(this.#ownPrefix)) return refuseOwn(command.key);
    const step = this.#current;
    const type = step === undefined || step.foreign.size === 0 ? undefined : step.foreign.get(command.key);
    if (type === NOT_PERMITTED) return refuseForbidden();
    if (command.op !== 'observe') return type === undefined ? overMet(command, stage, step) : refuseForeign(type);
    if (command.isAtHome !== true || step === undefined) return command;
    const fresh = step.observed.get(command.key);
    if (fresh !== undefined) return observationOf(command.key, fresh.found, stage.get(command.key)?.value);
    // It was found before this step writes what it does: that stays.
    return stage.changesByItself(command.key) ? sameAgain(command.key, stage.get(command.key)) : command;
  }

  #observed(command: ObserveCommand, entry: Change | undefined): void {
    if (command.isAtHome !== true || this.#current === undefined) return;
    const found = this.#current.observed.get(command.key)?.found ?? foundOf(command);
    this.#current.observed.set(command.key, { found, entry });
  }
}

/**
 * A value of others is recorded at the moment at which a command meets it, though it is older. What the command says was sent before that
 * moment, yet it is no late fact: it is the newest that is known, unless the log itself had a newer one.
 */
function overMet<C extends KeyCommand>(command: C, stage: Stage, step: DecidedStep | undefined): C {
  if (step === undefined || step.met.size === 0 || !('updated' in command) || command.updated === undefined)
    return command;
  const met = step.met.get(command.key);
  if (met === undefined || stage.get(command.key) !== met.entry || command.updated.micros < met.afterMicros)
    return command;
  return { ...command, acceptLate: true };
}

function sameAgain(key: string, entry: Change | undefined): ObserveCommand {
  const as = entry?.as === undefined ? {} : { as: entry.as };
  const expires = entry?.expires === undefined ? {} : { expires: entry.expires };
  return { op: 'observe', key, found: entry?.value, ...as, ...expires };
}

function refuseOwn(key: string): Refusal {
  return refuse('key-invalid', `${quote(key)} is a name of the log itself at its Redis; take another key.`, 'key');
}

function refuseForbidden(): Refusal {
  const message = "The log's user at its Redis may not touch this key; widen its ACL, or take another key.";
  return refuse('forbidden', message, 'key');
}

function refuseForeign(type: string): Refusal {
  return refuse(
    'wrong-type',
    `At its Redis the key holds a ${type}, which is no value of Latchkey's and is left alone; remove it there, or take another key.`,
    'key',
  );
}

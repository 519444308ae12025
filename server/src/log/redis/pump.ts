/**
 * One step after another, each decided on the head of the log, and appended only while that is still the head or its keys are as they
 * were there. It stands between the queue and the Redis: while an append is on its way the next step is decided on top of it, unless
 * others write too, and the view takes the one before.
 *
 * Invariant: a sender is answered after the append, or a look at the head, confirmed what its answer was decided on; and after the
 * view shows it, or could not take it. Nothing is decided on a step whose append failed.
 */
import type { ErrorCode } from '@latchkey/client';
import { LatchkeyError } from '@latchkey/client';
import { replyCode } from '../../shared/redis/error.ts';
import type { JobQueue } from '../job-queue.ts';
import type { Batch } from '../log.ts';
import { type Appending, newToken } from './appending.ts';
import type { AskedReplicas } from './asked-replicas.ts';
import type { DecidedStep } from './decided-step.ts';
import { type Deciding, NOT_PERMITTED } from './deciding.ts';
import type { Duties } from './duties.ts';
import { looksOf } from './rebase.ts';
import type { RedisLeases } from './redis-leases.ts';
import type { AppendAnswer, ConfirmAnswer, Found, LogRecord, Rebased, RedisStore } from './redis-store.ts';
import type { Replica } from './replica.ts';
import type { ServerTime } from './server-time.ts';
import type { Unobserved } from './unobserved.ts';
import { waited } from './wait.ts';

/** After so many lost races others are asked to wait. */
const TURN_AFTER = 5;
/** Who has the turn needs it for one append, mostly; the time it may take at most is not waited for. */
const TURN_LOOK_MS = 2;
/** Steps that the view has not taken yet. */
const UNSHOWN_MAX = 8;
const UNTIMELY_MAX_MS = 50;
/** What is due is decided again so long after the Redis refused it. */
const REFUSED_MS = 2000;
/** What is due may be what this node must not touch. */
const NOTHING_DUE_MS = 200;

export interface PumpOptions {
  readonly store: RedisStore;
  readonly jobs: JobQueue;
  readonly deciding: Deciding;
  readonly replica: Replica;
  readonly appending: Appending;
  readonly leases: RedisLeases;
  readonly duties: Duties;
  readonly unobserved: Unobserved;
  readonly time: ServerTime;
  readonly replicas: AskedReplicas;
  readonly signal: AbortSignal;
  /** This node does not know any more where the log is. */
  readonly onAstray: () => void;
  readonly onBug: (error: unknown) => LatchkeyError;
  /** What a write failed with, or undefined: one succeeded. */
  readonly onResult: (failure: LatchkeyError | undefined) => void;
}

export class Pump {
  readonly #options: PumpOptions;
  /** Its append is on its way. */
  #inFlight: DecidedStep | undefined;
  #ahead: DecidedStep | undefined;
  /** The newest that is appended and that the view does not show. */
  #unshown: DecidedStep | undefined;
  #isAheadScheduled = false;
  #lost = 0;
  /** Others were faster the last time. */
  #isContended = false;
  /** So many batches are decided alone, because one of those was refused by the Redis. */
  #alone = 0;

  constructor(options: PumpOptions) {
    this.#options = options;
  }

  get hasWork(): boolean {
    const { duties, jobs, unobserved } = this.#options;
    return jobs.length > 0 || this.#ahead !== undefined || duties.areDue || unobserved.isAny;
  }

  /** Whether something waits that is not in the queue any more. */
  get isBusy(): boolean {
    return this.#ahead !== undefined || this.#inFlight !== undefined;
  }

  /** More came while an append is on its way. */
  came(): void {
    // Where others write too, the step is seldom appended where it was decided, and what lies on it was decided in vain.
    if (this.#isContended || this.#isAheadScheduled || this.#inFlight === undefined) return;
    if (this.#options.jobs.length === 0) return;
    this.#isAheadScheduled = true;
    setImmediate(() => {
      this.#isAheadScheduled = false;
      if (this.#inFlight !== undefined) this.#decideAhead(this.#inFlight);
    });
  }

  /** Others wrote: what was decided ahead is decided again. */
  takeBackAhead(): void {
    if (this.#ahead !== undefined) this.#options.jobs.takeBack(this.#ahead.touched);
    this.#ahead = undefined;
  }

  /** Senders of what is on its way wait no more; its fate is found out all the same. */
  giveUp(error: LatchkeyError): void {
    this.takeBackAhead();
    if (this.#inFlight !== undefined) this.#options.jobs.giveUp(this.#inFlight.touched, error);
  }

  /** Decides one step and appends it. */
  async step(): Promise<void> {
    const { deciding, duties, jobs, replica, unobserved } = this.#options;
    const fence = duties.areDue ? await duties.fence() : undefined;
    await unobserved.load(deciding.findings);
    const step = this.#ahead ?? deciding.begin(this.#unshown, replica.head);
    this.#ahead = undefined;
    try {
      deciding.observeFindings(step);
      // Both go first in turn, so that neither a flood of what is due nor one of writes holds up the other for more than a step.
      const isDuesTurn = duties.takeTurn(jobs.length === 0);
      if (fence !== undefined && isDuesTurn) duties.decided(deciding.decideDues(step, fence));
      deciding.decideJobs(step, jobs, this.#alone > 0);
      if (fence !== undefined && !isDuesTurn) duties.decided(deciding.decideDues(step, fence));
      if (fence !== undefined && step.isEmpty && step.touched.length === 0) deciding.collect(step, fence);
    } catch (error) {
      // The order of what was touched is kept: they are told, and nobody decides on this step.
      jobs.settle(step.touched, this.#options.onBug(error));
      deciding.settle(false);
      return;
    }
    if (step.unseen.size > 0 && !(await this.#areAbsent(step))) return;
    if (step.touched.length > 0 || !step.isEmpty) {
      if (step.isEmpty) await this.#confirm(step);
      else await this.#append(step);
      return;
    }
    if (deciding.findings.size > 0) {
      deciding.findings.clear();
      await unobserved.settled();
    }
    // Another step would find no more than this one.
    if (fence !== undefined) duties.putOff(NOTHING_DUE_MS);
    // What can't be decided on top of other steps waits until the view shows them.
    await replica.applied();
  }

  /** What the log never had may be at the Redis all the same: then it is decided again, with what is there. */
  async #areAbsent(step: DecidedStep): Promise<boolean> {
    const { deciding } = this.#options;
    const keys = [...step.unseen].filter((key) => !deciding.findings.has(key));
    try {
      const found = await this.#find(keys);
      for (const [key, there] of found) if (there.kind !== 'absent') deciding.findings.set(key, there);
      if (!keys.some((key) => deciding.findings.has(key))) return true;
    } catch (error) {
      this.#undo(step);
      throw error;
    }
    this.#undo(step);
    return false;
  }

  /** An ACL refuses them all for one: then each is asked for by itself. */
  async #find(keys: readonly string[]): Promise<ReadonlyMap<string, Found>> {
    const { store } = this.#options;
    const found = new Map<string, Found>();
    if (keys.length === 0) return found;
    try {
      for (const [index, there] of (await store.find(keys)).entries()) found.set(keys[index] as string, there);
    } catch (error) {
      if (!(error instanceof LatchkeyError) || !isForOneKey(error)) throw error;
      if (keys.length === 1) return found.set(keys[0] as string, { kind: 'foreign', type: NOT_PERMITTED });
      for (const key of keys) for (const [, there] of await this.#find([key])) found.set(key, there);
    }
    return found;
  }

  /** Nothing needs to be written, but whether what was read is still so is for the Redis to say. */
  async #confirm(step: DecidedStep): Promise<void> {
    const { deciding, jobs, replica, replicas, store, unobserved } = this.#options;
    let answer: ConfirmAnswer;
    try {
      answer = await store.confirm(replica.head, looksOf(step));
    } catch (error) {
      this.#undo(step);
      this.#options.onAstray();
      throw error;
    }
    if (answer.kind !== 'confirmed') {
      this.#undo(step);
      await this.#answered(answer, step);
      return;
    }
    deciding.settle(true);
    deciding.findings.clear();
    await replica.applied();
    await unobserved.settled();
    // What it repeats may have been written less safely than it is told now.
    const isAnswered = step.touched.some(({ job }) => job.run.batch.commands.some(isWrite));
    jobs.settle(step.touched, isAnswered ? await replicas.everything() : undefined);
    this.#alone = Math.max(0, this.#alone - step.touched.length);
  }

  async #append(step: DecidedStep): Promise<void> {
    const { appending, deciding, replica } = this.#options;
    await replica.room(UNSHOWN_MAX);
    const request = step.close({
      head: replica.head,
      token: newToken(),
      tables: deciding.tablesOf(step),
      writer: appending.nextWriter(),
      wantsTurn: this.#lost >= TURN_AFTER,
    });
    this.#inFlight = step;
    let answer: AppendAnswer;
    try {
      const answered = appending.send(request);
      this.came();
      answer = await answered;
    } catch (error) {
      this.#inFlight = undefined;
      this.#refused(step, error);
      return;
    }
    this.#inFlight = undefined;
    this.#isContended = answer.kind !== 'appended' || answer.rebased !== undefined;
    if (answer.kind === 'appended') {
      await this.#appended(step, answer.rebased === undefined || this.#rebased(step, answer.rebased));
    } else if (answer.kind === 'moved' && answer.records[0]?.token === request.record.token) {
      // An earlier send of it, whose connection was lost, was carried out after all.
      await this.#appended(step);
      await replica.applied();
      this.takeBackAhead();
      if ((await replica.foreign(answer.records)) === 'gap') this.#options.onAstray();
    } else {
      this.#undo(step);
      await this.#answered(answer, step);
    }
  }

  /** It was appended after what others were faster with. False: not all of that is known here. */
  #rebased(step: DecidedStep, rebased: Rebased): boolean {
    const { first, records } = rebased;
    this.takeBackAhead();
    const below = records.at(-1)?.last === first - 1 ? this.#takeOver(records) : undefined;
    if (below !== undefined) below.above = step;
    step.moveUp(below?.stage, rebased);
    return below !== undefined;
  }

  /** `isPlaced`: it follows what is known. */
  async #appended(step: DecidedStep, isPlaced = true): Promise<void> {
    const { deciding, replica, replicas, unobserved } = this.#options;
    this.#lost = 0;
    this.#alone = Math.max(0, this.#alone - step.touched.length);
    deciding.settle(true);
    deciding.findings.clear();
    const position = { epoch: replica.head.epoch, components: [{ offset: step.record.last }] };
    // Without a wait, what others were faster with goes into the view together with this.
    const failure = replicas.areAsked ? await replicas.appended() : undefined;
    if (!replicas.areAsked) this.#options.onResult(undefined);
    if (!isPlaced) {
      // A reply was lost, and what lies in between has to be read before the view can show it.
      this.#options.jobs.settle(step.touched, failure, position);
      this.#options.onAstray();
      return;
    }
    this.#unshown = step;
    const { shown, tried } = replica.own(step);
    void tried.then(() => this.#options.jobs.settle(step.touched, failure, position));
    const settled = shown.then(() => this.#isShown(step));
    if (!unobserved.isAny) return;
    await settled;
    await unobserved.settled();
  }

  /** Nothing was written. */
  async #answered(answer: Exclude<AppendAnswer, { kind: 'appended' }>, step: DecidedStep): Promise<void> {
    const { deciding, duties, leases, replica, signal, time } = this.#options;
    switch (answer.kind) {
      case 'moved':
        this.#lost += 1;
        if (this.#takeOver(answer.records) !== undefined) return;
        if ((await replica.foreign(answer.records)) === 'gap') this.#options.onAstray();
        return;
      case 'reread': {
        for (const [key, there] of await this.#find(answer.keys)) deciding.findings.set(key, there);
        return;
      }
      case 'wrong-type':
        for (const { key, type } of answer.keys) deciding.findings.set(key, { kind: 'foreign', type });
        return;
      case 'not-permitted':
        for (const key of answer.keys) deciding.findings.set(key, { kind: 'foreign', type: NOT_PERMITTED });
        return;
      case 'fenced':
        leases.told(answer.lease, answer.current);
        duties.fenced(answer.lease);
        return;
      case 'untimely': {
        time.sync(answer.serverMicros);
        const aheadMs = (step.stage.nowMicros - answer.serverMicros) / 1000;
        if (aheadMs > 0) await waited(Math.min(UNTIMELY_MAX_MS, Math.ceil(aheadMs)), signal);
        return;
      }
      case 'turn':
        await waited(Math.min(TURN_LOOK_MS, Math.max(1, answer.waitMs)), signal);
        return;
      case 'behind':
      case 'other-run':
        this.#options.onAstray();
        return;
    }
  }

  /**
   * What others wrote is decided on at once, as this node's own steps are, while the view takes it: the step that it is. Undefined where
   * it does not follow what is known.
   */
  #takeOver(records: readonly LogRecord[]): DecidedStep | undefined {
    const { deciding, replica } = this.#options;
    const step = deciding.begin(this.#unshown, replica.head);
    const shown = replica.others(records, () => {
      for (const { changes } of records) for (const change of changes) step.stage.takeOver(change);
      return step.stage.placed;
    });
    if (shown === undefined) return undefined;
    this.#unshown = step;
    void shown.then(() => {
      deciding.reload();
      this.#isShown(step);
    });
    return step;
  }

  #isShown(step: DecidedStep): void {
    step.above?.stage.settleBelow();
    // Else each step, itself garbage, would keep the one after it from being collected young.
    step.above = undefined;
    if (this.#unshown === step) this.#unshown = undefined;
  }

  /** The Redis took nothing of it, and would not the next time. */
  #refused(step: DecidedStep, error: unknown): void {
    const { deciding, duties, jobs, unobserved } = this.#options;
    const told = error instanceof LatchkeyError ? error : this.#options.onBug(error);
    if (isForOneKey(told) && step.touched.length > 1) {
      this.#alone = step.touched.length;
      this.#undo(step);
      return;
    }
    this.takeBackAhead();
    deciding.settle(false);
    deciding.findings.clear();
    this.#alone = Math.max(0, this.#alone - step.touched.length);
    duties.putOff(REFUSED_MS);
    unobserved.look();
    this.#options.onResult(told);
    jobs.settle(step.touched, told);
  }

  /** Takes back what was decided on it, and itself. */
  #undo(step: DecidedStep): void {
    const { deciding, jobs } = this.#options;
    this.takeBackAhead();
    deciding.settle(false);
    jobs.takeBack(step.touched);
  }

  #decideAhead(inFlight: DecidedStep): void {
    const { deciding, jobs } = this.#options;
    if (this.#alone > 0) return;
    const { last, nowMicros } = inFlight.record;
    this.#ahead ??= deciding.begin(inFlight, { offset: last, nowMicros });
    deciding.decideAhead(this.#ahead, jobs);
  }
}

function isWrite(command: Batch['commands'][number]): boolean {
  return 'op' in command && command.op !== 'read';
}

/** An ACL refuses a whole step for one of its keys. */
function isForOneKey(error: LatchkeyError): boolean {
  const code: ErrorCode = error.code;
  return replyCode(error.cause) === 'NOPERM' || code === 'config-invalid';
}

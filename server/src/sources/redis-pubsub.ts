/**
 * Takes what is published on channels. Every node subscribes, and the holder of the lease takes the messages; the others keep the last
 * ones, so that whoever takes over goes on behind the last message that was taken, which the log knows. It stands between a Redis that
 * forgets what it publishes, or this process's own gateway, and the log.
 *
 * Invariant: a message that was heard is taken once by all nodes together, or is a dead letter, or lies in a gap that is reported; what
 * waits is bounded (`Inbox`).
 */
import { LatchkeyError } from '@latchkey/client';
import type { RedisPubsubSettings } from '../config/flow-settings.ts';
import { type Holding, LeaseLoop } from '../log/lease-loop.ts';
import type { Channels } from '../shared/channels.ts';
import { describePlace } from '../shared/redis/error.ts';
import { Wake } from '../shared/wake.ts';
import { ChannelSubscription } from './channel-subscription.ts';
import { Gaps } from './gaps.ts';
import { formatPlace, parsePlace, takenOf, trailAfter } from './heard-place.ts';
import { type HeardMessage, Inbox, type InboxBounds } from './inbox.ts';
import { Intake, type Taken } from './intake.ts';
import { RedisSubscription } from './redis-subscription.ts';
import type { MessageSourceParts, Source, SourceState } from './source.ts';
import type { Subscription } from './subscription.ts';
import { UNSHARED_LEASES } from './unshared-leases.ts';
import { type KeptValues, Validation } from './validation.ts';

export interface RedisPubsubParts extends MessageSourceParts<RedisPubsubSettings> {
  /** Of this process, for `url: resp`. */
  readonly channels: Channels;
  /** Where the log keeps values for others too, for `validate`. */
  readonly kept?: KeptValues | undefined;
  readonly bounds?: InboxBounds;
  readonly heartbeatMs?: number;
  /** How long a node that missed messages leaves the lease to others; default half its life, and none for a log of one node. */
  readonly yieldMs?: number;
  readonly answerMaxMs?: number;
  readonly noticeMs?: number;
}

/** Under which progress of the source its place is kept. */
const PLACE = 'heard';
const BOUNDS: InboxBounds = { countMax: 65_536, bytesMax: 32 * 1024 * 1024 };
const BATCH_MESSAGES_MAX = 1000;
const BATCH_BYTES_MAX = 1024 * 1024;
/** A source that hears nothing keeps its place as often, which is how much too early a gap begins that a crash makes. */
const KEEP_MS = 30_000;
/** Who stands by holds what it heard in so many lives of a lease: longer than taking over takes. */
const STANDBY_TTLS = 3;
const LEASE_TTL_MS = 10_000;
/** Of starting: a first connection that takes longer is told as a fault. */
const CONNECT_MS = 2000;
/** Of stopping: what was heard and waits gets so long to be taken. */
const DRAIN_MS = 3000;

export class RedisPubsub implements Source {
  readonly name: string;
  readonly kind = 'redis-pubsub';
  readonly #parts: RedisPubsubParts;
  readonly #isShared: boolean;
  readonly #where: string;
  readonly #inbox: Inbox;
  readonly #wake = new Wake();
  readonly #gaps: Gaps;
  readonly #subscription: Subscription;
  readonly #loop: LeaseLoop;
  readonly #intake: Intake;
  readonly #validation: Validation | undefined;
  #holding: Holding | undefined;
  /** The place as the log keeps it; undefined: it was not asked yet. */
  #kept: string | null | undefined;
  #trail: readonly string[] = [];
  #keptMs = 0;
  #drainUntilMs = 0;
  #received = 0;
  #hasWaited = false;
  #hasYielded = false;
  #isAfterGap = false;

  constructor(parts: RedisPubsubParts) {
    const { clock, log, logger, noticeMs, settings } = parts;
    this.name = settings.name;
    this.#parts = parts;
    // What is published at the gateway of this process is heard by nobody else.
    this.#isShared = settings.url !== 'resp';
    this.#where = this.#isShared ? describePlace(settings) : 'the resp gateway';
    this.#inbox = new Inbox(parts.bounds ?? BOUNDS);
    this.#gaps = new Gaps({ source: this.name, clock, logger, noticeMs });
    this.#subscription = this.#makeSubscription();
    this.#loop = new LeaseLoop({
      ...parts,
      log: this.#isShared ? log : { node: log.node, leases: UNSHARED_LEASES },
      kind: 'source',
      name: this.name,
      does: 'takes messages',
      work: (holding) => this.#work(holding),
      onEnd: () => this.#wake.set(),
    });
    this.#intake = new Intake({
      source: this,
      log,
      format: parts.format,
      onFault: async (error) => {
        await this.#loop.waitAfter(error);
        return this.#mustEnd ? 'stop' : 'again';
      },
      onTaken: () => this.#loop.succeeded(),
    });
    if (settings.validate) this.#validation = new Validation({ source: this.name, log, logger, kept: parts.kept });
  }

  start(): void {
    this.#subscription.start();
    this.#loop.start();
  }

  state(): SourceState {
    const { clock } = this.#parts;
    const reason = this.#loop.reason ?? (this.#subscription.isUp ? undefined : this.#subscription.reason);
    const oldest = this.#holding === undefined ? undefined : this.#inbox.oldestMicros;
    return {
      isReady: reason === undefined,
      ...(reason === undefined ? {} : { reason }),
      isHolder: this.#holding !== undefined,
      received: this.#received,
      ...this.#intake.counts,
      waiting: this.#inbox.size,
      lagMs: oldest === undefined ? 0 : Math.max(0, Math.round((clock.nowMicros() - oldest) / 1000)),
      ...(this.#validation === undefined ? {} : { differences: this.#validation.differences }),
      ...this.#gaps.state(),
    };
  }

  async close(): Promise<void> {
    const { clock, logger } = this.#parts;
    this.#drainUntilMs ||= clock.monotonicMs() + DRAIN_MS;
    this.#subscription.close();
    await this.#loop.close();
    this.#validation?.close();
    const left = this.#isShared ? 0 : this.#inbox.size;
    // What others hear too is theirs, or a gap for whoever begins next.
    if (left > 0)
      logger.error({ source: this.name }, `source ${this.name} ends with ${left} messages that the log did not take`);
    this.#inbox.discard(left);
  }

  get #mustEnd(): boolean {
    if (this.#holding?.isLost !== false) return true;
    return this.#loop.isClosing && this.#parts.clock.monotonicMs() >= this.#drainUntilMs;
  }

  #makeSubscription(): Subscription {
    const { clock, settings } = this.#parts;
    const listener = {
      heard: (channel: string, body: Buffer) => this.#hear(channel, body),
      resumed: (from: number | undefined, to: number) => this.#resumed(from, to),
      interrupted: () => {
        const { logger } = this.#parts;
        if (!this.#loop.isClosing)
          logger.warn({ source: this.name }, `source ${this.name} hears ${this.#where} no more`);
        this.#wake.set();
      },
    };
    if (!this.#isShared) return new ChannelSubscription(this.#parts.channels, clock, settings, listener);
    const name = `latchkey-source-${this.name}`;
    return new RedisSubscription({ ...this.#parts, place: settings, name, subscribed: settings, listener });
  }

  #hear(channel: string, body: Buffer): void {
    const { clock, leaseTtlMs = LEASE_TTL_MS } = this.#parts;
    const micros = clock.nowMicros();
    this.#received += 1;
    this.#inbox.hear({ kind: 'message', channel, body, micros }, 'more came than the log could take');
    if (this.#holding === undefined)
      this.#inbox.forgetBefore(micros - STANDBY_TTLS * leaseTtlMs * 1000, 'another node had the lease for long');
    this.#wake.set();
  }

  #resumed(from: number | undefined, to: number): void {
    const { logger, settings } = this.#parts;
    const source = this.name;
    if (from !== undefined)
      this.#inbox.miss({ from, to, reason: `the subscription to ${this.#where} was interrupted` });
    else if (this.#isShared) this.#inbox.miss({ from: 0, to, reason: 'no node was subscribed' });
    for (const name of [...settings.channels, ...settings.patterns])
      logger.info({ source }, `Listening for messages on '${name}'...`);
    this.#wake.set();
    this.#loop.hurry();
  }

  /** Takes messages until the lease is lost, the subscription is interrupted and nothing waits, or the source closes. */
  async #work(holding: Holding): Promise<'ended' | number> {
    this.#holding = holding;
    try {
      // Its first connection may be there in a moment, which is no fault yet.
      if (!this.#hasWaited && !this.#subscription.isUp) await this.#wake.wait(CONNECT_MS);
      this.#hasWaited = true;
      // A node that hears has the better claim to the lease.
      if (!this.#subscription.isUp && this.#inbox.isEmpty) throw this.#unheard();
      const yieldMs = await this.#takeOver();
      if (yieldMs > 0) return yieldMs;
      if (this.#kept === null) await this.#keepPlace(holding, 0);
      this.#loop.succeeded();
      while (!this.#mustEnd) {
        if (!this.#inbox.isEmpty) await this.#takeNext(holding);
        else if (this.#loop.isClosing) break;
        else if (!this.#subscription.isUp) throw this.#unheard();
        else {
          await this.#keepPlace(holding, KEEP_MS);
          await this.#wake.wait(KEEP_MS);
        }
      }
      return 'ended';
    } finally {
      if (!holding.isLost && this.#inbox.isEmpty) await this.#keepPlace(holding, 0).catch(() => undefined);
      this.#holding = undefined;
    }
  }

  /**
   * Goes on where the last holder ended, as far as this node heard what came since. Where it did not, another node may have: the answer
   * is for how long the lease is left to it, once.
   */
  async #takeOver(): Promise<number> {
    if (!this.#isShared) return 0;
    const { leaseTtlMs = LEASE_TTL_MS, log } = this.#parts;
    const kept = (await log.progress(this.name))[PLACE] ?? null;
    // Nobody else was there in between, and what waits is what was not taken.
    if (kept === this.#kept) return 0;
    const place = parsePlace(kept ?? undefined);
    const taken = takenOf(place?.trail ?? [], this.#inbox.entries());
    if (taken === undefined) {
      this.#inbox.missedOnlySince(place?.micros);
      const yieldMs = this.#parts.yieldMs ?? (log.kind === 'local' ? 0 : leaseTtlMs / 2);
      if (this.#inbox.beginsWithGap && !this.#hasYielded && yieldMs > 0) {
        this.#hasYielded = true;
        return yieldMs;
      }
    } else this.#inbox.discard(taken);
    this.#hasYielded = false;
    this.#kept = kept;
    this.#trail = place?.trail ?? [];
    this.#isAfterGap = false;
    return 0;
  }

  async #takeNext(holding: Holding): Promise<void> {
    const entries = this.#inbox.takeOut(BATCH_MESSAGES_MAX, BATCH_BYTES_MAX);
    const [first] = entries;
    if (first?.kind === 'gap') {
      this.#gaps.report(first);
      // What was taken before it says nothing to those who heard what comes next.
      this.#isAfterGap = true;
      return;
    }
    const messages = entries.filter((entry) => entry.kind === 'message');
    const taken: Taken[] = [];
    try {
      await this.#takeMessages(messages, holding, (step) => taken.push(...step));
    } finally {
      // Before anything else is waited for: what is taken must not be there for another try.
      this.#inbox.putBack(messages.slice(taken.length));
    }
    for (const each of taken) this.#tellRefused(each);
    await this.#validate(taken);
  }

  async #takeMessages(
    messages: readonly HeardMessage[],
    holding: Holding,
    onStep: (taken: readonly Taken[]) => void,
  ): Promise<void> {
    const arrivals = messages.map(({ body, channel }) => ({
      message: { body, recordKey: channel },
      coordinates: { channel },
    }));
    if (!this.#isShared) {
      await this.#intake.take(arrivals, {}, onStep);
      return;
    }
    const before = this.#isAfterGap ? [] : this.#trail;
    let count = 0;
    const next = (taken: number) => {
      const { micros } = messages[taken - 1] as HeardMessage;
      return formatPlace({ micros, trail: trailAfter(before, messages.slice(0, taken)) });
    };
    const progress = { sourcePartition: PLACE, expected: this.#kept ?? null, next };
    await this.#intake.take(arrivals, { fence: holding.fence, progress }, (step) => {
      count += step.length;
      this.#kept = next(count);
      this.#trail = trailAfter(before, messages.slice(0, count));
      this.#isAfterGap = false;
      this.#keptMs = this.#parts.clock.monotonicMs();
      onStep(step);
    });
  }

  async #validate(taken: readonly Taken[]): Promise<void> {
    while (this.#validation !== undefined) {
      try {
        return await this.#validation.check(taken);
      } catch (error) {
        await this.#loop.waitAfter(error);
        if (this.#mustEnd) return;
      }
    }
  }

  #tellRefused({ arrival, outcomes }: Taken): void {
    const { logger } = this.#parts;
    const refusal = outcomes.find((outcome) => outcome.outcome === 'refused');
    if (refusal?.outcome !== 'refused') return;
    const fields = { source: this.name, ...arrival.coordinates, code: refusal.code };
    const isText = refusal.code === 'invalid-json' || refusal.code === 'invalid-utf8';
    if (isText) logger.error(fields, 'Failed to decode JSON message.');
    else logger.warn(fields, `Invalid message format. ${refusal.message}`);
  }

  /** Keeps in the log until when nothing was missed, unless that was done less than `intervalMs` ago. */
  async #keepPlace(holding: Holding, intervalMs: number): Promise<void> {
    const { clock } = this.#parts;
    if (!this.#isShared || this.#subscription.heardUntil === 0) return;
    if (intervalMs > 0 && clock.monotonicMs() - this.#keptMs < intervalMs) return;
    const next = formatPlace({ micros: this.#subscription.heardUntil, trail: this.#trail });
    await this.#intake.keep(holding.fence, { sourcePartition: PLACE, expected: this.#kept ?? null, next });
    this.#kept = next;
    this.#keptMs = clock.monotonicMs();
  }

  #unheard(): LatchkeyError {
    const reason = this.#subscription.reason ?? `${this.#where} is not heard`;
    return new LatchkeyError('not-ready', reason, { retryAfter: 1 });
  }
}

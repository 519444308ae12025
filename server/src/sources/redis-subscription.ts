/**
 * What is published on a Redis, Valkey or KeyDB. It stands between that server, which forgets at once what it publishes, and a source,
 * which is told from when to when it may have missed something. A connection that says nothing is asked once a second, so that one
 * that is half open is noticed, and so that `heardUntil` is never long ago.
 *
 * Invariant: `Listener.heard` is called only between `resumed` and `interrupted`.
 */
import type { RedisPlace } from '../config/redis-settings.ts';
import type { Clock } from '../shared/clock.ts';
import type { ReportFault } from '../shared/logger.ts';
import { RedisConnection } from '../shared/redis/connection.ts';
import type { RawClient } from '../shared/redis/endpoint.ts';
import { takenByPattern } from './overlap.ts';
import type { Listener, Subscribed, Subscription } from './subscription.ts';

export interface RedisSubscriptionSetup {
  readonly place: RedisPlace;
  /** As `CLIENT LIST` shows the connection there. */
  readonly name: string;
  readonly subscribed: Subscribed;
  readonly listener: Listener;
  readonly clock: Clock;
  readonly random: () => number;
  readonly reportFault: ReportFault;
  /** Default one second. */
  readonly heartbeatMs?: number | undefined;
  readonly answerMaxMs?: number | undefined;
}

const HEARTBEAT_MS = 1000;

export class RedisSubscription implements Subscription {
  readonly #setup: RedisSubscriptionSetup;
  #connection: RedisConnection | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #isHearing = false;
  #heardUntil: number | undefined;

  constructor(setup: RedisSubscriptionSetup) {
    this.#setup = setup;
  }

  get isUp(): boolean {
    return this.#isHearing;
  }

  get reason(): string | undefined {
    return this.#isHearing ? undefined : (this.#connection?.failure?.message ?? 'it is not connected yet');
  }

  get heardUntil(): number {
    return this.#heardUntil ?? 0;
  }

  start(): void {
    const { answerMaxMs, heartbeatMs = HEARTBEAT_MS, name, place, random } = this.#setup;
    this.#connection = new RedisConnection({
      place,
      name,
      random,
      isBinary: true,
      onUp: (client) => this.#subscribe(client),
      onDown: () => this.#interrupt(),
      ...(answerMaxMs === undefined ? {} : { answerMaxMs }),
    });
    this.#heartbeat = setInterval(() => void this.#ask(), heartbeatMs);
  }

  close(): void {
    clearInterval(this.#heartbeat);
    this.#interrupt();
    this.#connection?.close();
  }

  async #subscribe(client: RawClient): Promise<void> {
    const { clock, listener, subscribed } = this.#setup;
    const { channels, patterns } = subscribed;
    const isTaken = takenByPattern(subscribed);
    // What comes before everything is subscribed to was published in the time that is told as missed, and is taken all the same.
    const early: (readonly [string, Buffer])[] = [];
    const hear = (channel: string, body: Buffer) => {
      if (this.#isHearing) listener.heard(channel, body);
      else early.push([channel, body]);
    };
    if (channels.length > 0)
      await client.subscribe([...new Set(channels)], (body, channel) => hear(channel.toString(), body), true);
    for (const pattern of new Set(patterns)) {
      const hearPattern = (body: Buffer, channel: Buffer) => {
        if (isTaken(pattern, channel.toString())) hear(channel.toString(), body);
      };
      await client.pSubscribe(pattern, hearPattern, true);
    }
    const nowMicros = clock.nowMicros();
    const from = this.#heardUntil;
    this.#heardUntil = nowMicros;
    this.#isHearing = true;
    listener.resumed(from, nowMicros);
    for (const [channel, body] of early) listener.heard(channel, body);
  }

  #interrupt(): void {
    if (!this.#isHearing) return;
    this.#isHearing = false;
    this.#setup.listener.interrupted();
  }

  /** Its answer comes after everything that was published before the question. */
  async #ask(): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined || !connection.isUp) return;
    const askedMicros = this.#setup.clock.nowMicros();
    try {
      await connection.send(['PING']);
      if (this.#isHearing) this.#heardUntil = Math.max(this.#heardUntil ?? 0, askedMicros);
    } catch (error) {
      // A server that answers with an error is there; that it went is told by the connection.
      if (RedisConnection.isAnswer(error)) this.#setup.reportFault('sources', error);
    }
  }
}

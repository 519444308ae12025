import type { Channels } from '../shared/channels.ts';
import type { Clock } from '../shared/clock.ts';
import { takenByPattern } from './overlap.ts';
import type { Listener, Subscribed, Subscription } from './subscription.ts';

/** What is published at the Redis gateway of this process (`url: resp`). It misses nothing while the process runs. */
export class ChannelSubscription implements Subscription {
  readonly reason = undefined;
  readonly #channels: Channels;
  readonly #clock: Clock;
  readonly #subscribed: Subscribed;
  readonly #listener: Listener;
  #stops: (() => void)[] = [];
  #isUp = false;

  constructor(channels: Channels, clock: Clock, subscribed: Subscribed, listener: Listener) {
    this.#channels = channels;
    this.#clock = clock;
    this.#subscribed = subscribed;
    this.#listener = listener;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get heardUntil(): number {
    return this.#clock.nowMicros();
  }

  start(): void {
    const { channels, patterns } = this.#subscribed;
    const isTaken = takenByPattern(this.#subscribed);
    for (const channel of new Set(channels)) {
      this.#stops.push(this.#channels.subscribe(channel, ({ message }) => this.#listener.heard(channel, message)));
    }
    for (const pattern of new Set(patterns)) {
      const hear = (channel: string, message: Buffer) => {
        if (isTaken(pattern, channel)) this.#listener.heard(channel, message);
      };
      this.#stops.push(this.#channels.subscribePattern(pattern, (heard) => hear(heard.channel, heard.message)));
    }
    this.#isUp = true;
    this.#listener.resumed(undefined, this.#clock.nowMicros());
  }

  close(): void {
    this.#isUp = false;
    for (const stop of this.#stops.splice(0)) stop();
  }
}

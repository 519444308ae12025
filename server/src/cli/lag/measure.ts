/**
 * One run: the paths are opened, tried out by one write that is not counted, then as many values as asked are written and heard.
 * Stands between the plan and the report; of the writer it knows a store, of each path its adapter.
 *
 * Invariant: what is taken from a lag are two readings of one clock: the writer's just before it writes, the observer's when it
 * knows the value. Where they have not one clock, there is no lag, only the writer's round trip.
 */
import { LatchkeyError } from '@latchkey/client';
import { Lag } from '../../verify/lag.ts';
import { handshakeKey, hearHandshakes } from './handshake.ts';
import { markerOf, markerText } from './marker.ts';
import { adapterOf, type Open } from './path.ts';
import { announcementsOf, type ObserverPlan, type Plan, shownPath, shownPlace } from './plan.ts';
import { openStore, type Store } from './store.ts';
import { Tally } from './tally.ts';
import { Arrivals, pause } from './wait.ts';

export interface Host {
  readonly id: string;
  readonly micros: () => number;
}

export interface MeasureOptions {
  /** Ends the run early; what was measured until then counts. */
  readonly signal: AbortSignal;
  /** Of as many values as are asked for, so many are written or, where another program writes, heard. */
  readonly onProgress: (values: number) => void;
}

export interface Observed {
  readonly plan: ObserverPlan;
  readonly tally: Tally;
  troubles: number;
  /** What the last trouble said. */
  trouble?: string;
}

export interface Measured {
  /** Values that were acknowledged; undefined where another program wrote. */
  readonly written: number | undefined;
  readonly observers: readonly Observed[];
  /** By the key of the answers. */
  readonly roundTrips: ReadonlyMap<string, Lag>;
  readonly hasOneClock: boolean;
  readonly isInterrupted: boolean;
}

const TRY_OUT_MS = 5000;
const LAST_WAIT_MS = 2000;
const ANSWERERS_MAX = 100;

/** @throws LatchkeyError that says what to do */
export async function measure(plan: Plan, host: Host, run: string, options: MeasureOptions): Promise<Measured> {
  const measurement = new Measurement(plan, host, run, options);
  try {
    await measurement.open();
    await measurement.run();
    return measurement.result();
  } finally {
    await measurement.close();
  }
}

class Measurement {
  readonly #plan: Plan;
  readonly #host: Host;
  readonly #signal: AbortSignal;
  readonly #onProgress: (values: number) => void;
  readonly #observers: readonly Observed[];
  readonly #roundTrips = new Map<string, Lag>();
  readonly #arrivals = new Arrivals();
  readonly #tried = new Set<Observed>();
  readonly #open: Open[] = [];
  readonly #leftovers: string[] = [];
  #writer: Store | undefined;
  #run: string | undefined;
  #written = 0;
  #hasOneClock = true;
  /** What breaks from here on was broken here. */
  #isClosing = false;

  constructor(plan: Plan, host: Host, run: string, { onProgress, signal }: MeasureOptions) {
    this.#plan = plan;
    this.#host = host;
    this.#signal = signal;
    this.#onProgress = onProgress;
    this.#run = plan.writer === undefined ? undefined : run;
    this.#observers = plan.observers.map((each) => ({ plan: each, tally: new Tally(), troubles: 0 }));
  }

  async open(): Promise<void> {
    const { handshake, key, writer } = this.#plan;
    if (writer !== undefined) {
      this.#writer = await openStore(writer, () => {});
      const answers = handshake === undefined ? [] : this.#observers.map((_, at) => this.#answerKey(handshake, at));
      // What was there before is left with the last value; what was not goes again.
      for (const each of [key, ...answers]) {
        if ((await this.#writer.read(each)) === undefined) this.#leftovers.push(each);
      }
      const { stream } = announcementsOf(this.#plan);
      if (stream !== undefined && writer.kind === 'redis') this.#leftovers.push(stream);
    }
    for (const [at, observed] of this.#observers.entries()) await this.#openObserver(observed, at);
    if (handshake === undefined || writer === undefined) return;
    const hear = (name: string, text: string) => this.#hearAnswer(name, text);
    this.#open.push(await hearHandshakes(writer, handshake, hear, () => {}));
  }

  async run(): Promise<void> {
    if (this.#writer === undefined) return await this.#listen();
    await this.#tryOut(this.#writer);
    for (let sequence = 1; sequence <= this.#plan.count && !this.#signal.aborted; sequence += 1) {
      const startedAt = this.#host.micros();
      await this.#write(this.#writer, sequence);
      this.#written = sequence;
      this.#onProgress(sequence);
      // From the one before: a write that took long must not be followed by a burst.
      await pause(this.#plan.intervalMs - (this.#host.micros() - startedAt) / 1000, this.#signal);
    }
    const last = this.#written;
    const hasAll = () => this.#observers.every(({ tally }) => tally.has(last)) && this.#hasAnswers();
    await this.#arrivals.until(hasAll, LAST_WAIT_MS + this.#longestPollMs, this.#signal);
  }

  result(): Measured {
    return {
      written: this.#writer === undefined ? undefined : this.#written,
      observers: this.#observers,
      roundTrips: this.#roundTrips,
      hasOneClock: this.#hasOneClock,
      isInterrupted: this.#signal.aborted,
    };
  }

  /** Removes what was not there before. */
  async close(): Promise<void> {
    this.#isClosing = true;
    for (const each of this.#open.splice(0).reverse()) await each.close();
    if (this.#writer === undefined) return;
    for (const key of this.#leftovers) await this.#writer.remove(key).catch(() => {});
    await this.#writer.close();
  }

  async #openObserver(observed: Observed, at: number): Promise<void> {
    const { channel, handshake, key, setsNotifications, stream } = this.#plan;
    const { everyMs, path, place, style } = observed.plan;
    const onTrouble = (error: unknown) => {
      if (this.#isClosing) return;
      observed.troubles += 1;
      observed.trouble = error instanceof Error ? error.message : String(error);
    };
    const store = handshake === undefined ? undefined : await openStore(place, onTrouble);
    if (store !== undefined) this.#open.push(store);
    const hear = (text: string) => {
      if (!this.#hear(observed, text) || handshake === undefined) return;
      void store?.write(this.#answerKey(handshake, at), text).catch(onTrouble);
    };
    const observe = await adapterOf(path);
    const options = { key, style, everyMs, channel, stream, setsNotifications, hear, onTrouble };
    this.#open.push(await observe(place, options));
  }

  /** Whether it is to be answered. */
  #hear(observed: Observed, text: string): boolean {
    const now = this.#host.micros();
    const marker = markerOf(text);
    if (marker === undefined) return false;
    this.#run ??= marker.run;
    if (marker.run !== this.#run) return false;
    if (marker.sequence === 0) {
      this.#tried.add(observed);
    } else {
      const isOurs = marker.host === this.#host.id;
      if (!isOurs) this.#hasOneClock = false;
      observed.tally.record(marker.sequence, isOurs ? Math.max(0, now - marker.micros) : undefined);
    }
    this.#arrivals.wake();
    return marker.sequence > 0;
  }

  /** The answer is the value itself, so the writer finds its own reading of its own clock in it. */
  #hearAnswer(key: string, text: string): void {
    const now = this.#host.micros();
    const marker = markerOf(text);
    if (marker === undefined || marker.run !== this.#run || marker.host !== this.#host.id) return;
    const lag = this.#roundTrips.get(key) ?? new Lag();
    if (this.#roundTrips.size >= ANSWERERS_MAX && !this.#roundTrips.has(key)) return;
    // Observers elsewhere have made keys that nobody here has looked at before.
    if (this.#observers.length === 0 && !this.#roundTrips.has(key)) this.#leftovers.push(key);
    this.#roundTrips.set(key, lag);
    lag.record((now - marker.micros) / 1000);
    this.#arrivals.wake();
  }

  get #longestPollMs(): number {
    return Math.max(0, ...this.#observers.map(({ plan }) => plan.everyMs));
  }

  #hasAnswers(): boolean {
    if (this.#plan.handshake === undefined) return true;
    const counts = [...this.#roundTrips.values()].map((lag) => lag.summary().count);
    return counts.length >= Math.max(1, this.#observers.length) && counts.every((count) => count >= this.#written);
  }

  #answerKey(handshake: string, at: number): string {
    return handshakeKey(handshake, at, this.#observers.length);
  }

  async #write(writer: Store, sequence: number): Promise<void> {
    const { id: host, micros } = this.#host;
    const text = markerText({ run: this.#run as string, sequence, host, micros: micros() });
    await writer.write(this.#plan.key, text, announcementsOf(this.#plan));
  }

  /** @throws LatchkeyError naming the paths that show nothing */
  async #tryOut(writer: Store): Promise<void> {
    await this.#write(writer, 0);
    const hasAll = () => this.#observers.every((each) => this.#tried.has(each));
    const waitMs = TRY_OUT_MS + this.#longestPollMs;
    if (await this.#arrivals.until(hasAll, waitMs, this.#signal)) return;
    if (this.#signal.aborted) return;
    const blind = this.#observers.filter((each) => !this.#tried.has(each));
    const names = blind.map(({ plan }) => `${shownPath(plan)}@${shownPlace(plan.place)}`);
    const troubles = blind.flatMap(({ trouble }) => (trouble === undefined ? [] : [trouble]));
    throw new LatchkeyError(
      'timeout',
      `A write of ${this.#plan.key} to ${shownPlace(this.#plan.writer as NonNullable<Plan['writer']>)} was not seen within ` +
        `${waitMs / 1000} s by ${names.join(', ')}${troubles.length === 0 ? '' : ` (${troubles.join('; ')})`}. ` +
        'See that what is written there comes to that place (a replica, a source, a sink), or leave the path out.',
    );
  }

  /** To values that another program writes: until each observer heard as many as asked, or it is interrupted. */
  async #listen(): Promise<void> {
    const slowest = () => Math.min(...this.#observers.map(({ tally }) => tally.received));
    const hasAll = () => {
      this.#onProgress(slowest());
      return slowest() >= this.#plan.count;
    };
    await this.#arrivals.until(hasAll, Number.POSITIVE_INFINITY, this.#signal);
  }
}

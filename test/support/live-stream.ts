import { Waiting } from './waiting.ts';
/** One watch through a live gateway as its client sees it, whatever the protocol: events in order, a slow reader, a cut. */

export interface LiveEvent {
  /** `put`, `remove`, `stale`, or the name of a control event. */
  readonly op: string;
  readonly key?: string;
  readonly value?: unknown;
  readonly version?: string;
  readonly reason?: string;
  /** Where a watch resumes behind it; undefined where the protocol gives none between two changes. */
  readonly position?: string | undefined;
  /** What stood on the wire. */
  readonly text: string;
}

export interface LiveTransport {
  /** Stops reading from the socket. */
  pause(): void;
  resume(): void;
  /** Cuts the connection without a word. */
  cut(): void;
}

const WAIT_MS = 20_000;

export class LiveStream {
  readonly events: LiveEvent[] = [];
  readonly #transport: LiveTransport;
  readonly #waiting = new Waiting(
    WAIT_MS,
    () =>
      this.events
        .slice(-5)
        .map(({ text }) => text.slice(0, 200))
        .join('\n'),
    () => (this.#isEnded ? 'The stream ended' : undefined),
  );
  #isEnded = false;
  #position: string | undefined;

  constructor(transport: LiveTransport) {
    this.#transport = transport;
  }

  /** The last position that was seen. */
  get position(): string | undefined {
    return this.#position;
  }

  get changes(): readonly LiveEvent[] {
    return this.events.filter(({ op }) => isChange(op));
  }

  /** Names of control events, and `op key` of changes, in order; heartbeats come when they like. */
  get story(): readonly string[] {
    return this.events
      .filter(({ op }) => op !== 'progress')
      .map(({ key, op }) => (key === undefined ? op : `${op} ${key}`));
  }

  take(event: LiveEvent): void {
    this.events.push(event);
    this.#position = event.position ?? this.#position;
    this.#waiting.wake();
  }

  ended(): void {
    this.#isEnded = true;
    this.#waiting.wake();
  }

  pause(): void {
    this.#transport.pause();
  }

  resume(): void {
    this.#transport.resume();
  }

  cut(): void {
    this.#transport.cut();
  }

  async until(what: string, holds: (event: LiveEvent) => boolean): Promise<LiveEvent> {
    await this.#waiting.until(what, () => this.events.some(holds));
    return this.events.find(holds) as LiveEvent;
  }

  op(op: string): Promise<LiveEvent> {
    return this.until(op, (event) => event.op === op);
  }

  /** Resolves when the key was seen with that value. */
  async value(key: string, value: unknown): Promise<LiveEvent> {
    return this.until(`${key} = ${value}`, (event) => event.key === key && event.value === value);
  }

  async count(changes: number): Promise<readonly LiveEvent[]> {
    await this.#waiting.until(`${changes} changes`, () => this.changes.length >= changes);
    return this.changes;
  }

  async end(): Promise<void> {
    await this.#waiting.until('the end', () => this.#isEnded);
  }
}

export function isChange(op: string): boolean {
  return op === 'put' || op === 'remove' || op === 'stale';
}

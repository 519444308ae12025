import { LatchkeyError } from '@latchkey/client';
import type { RedisStore } from './redis-store.ts';
import { waited } from './wait.ts';

const WAIT_MS = 1000;
const AGAIN_MS = 1000;
/** It holds up whatever else this node asks for. */
const AGAIN_WAIT_MS = 50;

export interface AskedReplicasOptions {
  readonly store: RedisStore;
  /** The setting `log.wait`. */
  readonly count: number;
  readonly signal: AbortSignal;
  /** Why a write is less safe than was asked for, or undefined: they are as safe again. */
  readonly onResult: (failure: LatchkeyError | undefined) => void;
}

/**
 * Whether so many replicas have what was written. Stands between the log and `WAIT`, which knows only of what its own connection has
 * written. While they are too few it asks again by itself: a node that nobody writes to must not stay unready for what has passed.
 */
export class AskedReplicas {
  readonly #options: AskedReplicasOptions;
  #isAsking = false;

  constructor(options: AskedReplicasOptions) {
    this.#options = options;
  }

  /** Whether any are asked for. */
  get areAsked(): boolean {
    return this.#options.count > 0;
  }

  /** Of what this node has just appended: the failure that its senders are told, if any. */
  appended(): Promise<LatchkeyError | undefined> {
    return this.#check(false);
  }

  /** Of all that is there, by whomever it was written. */
  async everything(): Promise<LatchkeyError | undefined> {
    return this.areAsked ? await this.#check(true) : undefined;
  }

  async #check(isEverything: boolean): Promise<LatchkeyError | undefined> {
    const failure = await this.#ask(isEverything, WAIT_MS);
    this.#options.onResult(failure);
    if (failure !== undefined && !this.#isAsking) void this.#askAgain();
    return failure;
  }

  async #askAgain(): Promise<void> {
    const { onResult, signal } = this.#options;
    this.#isAsking = true;
    while (await waited(AGAIN_MS, signal)) {
      if ((await this.#ask(true, AGAIN_WAIT_MS)) !== undefined) continue;
      onResult(undefined);
      break;
    }
    this.#isAsking = false;
  }

  async #ask(isEverything: boolean, waitMs: number): Promise<LatchkeyError | undefined> {
    const { count, store } = this.#options;
    try {
      const have = await store.waitForReplicas(count, waitMs, isEverything);
      return have >= count ? undefined : notReplicated(`${have} of ${count} replicas have it`);
    } catch (error) {
      return notReplicated('its replicas could not be asked', error);
    }
  }
}

function notReplicated(how: string, cause?: unknown): LatchkeyError {
  return new LatchkeyError(
    'timeout',
    `This is written, but not as safely as log.wait asks for: after ${WAIT_MS} ms ${how}. A failover now may lose it.`,
    { cause },
  );
}

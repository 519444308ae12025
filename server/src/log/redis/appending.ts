import { randomBytes } from 'node:crypto';
import { LatchkeyError } from '@latchkey/client';
import type { Logger } from '../../shared/logger.ts';
import { replyCode } from '../../shared/redis/error.ts';
import type { AppendAnswer, AppendRequest, RedisStore } from './redis-store.ts';
import { unsure } from './refusals.ts';
import { waited } from './wait.ts';

const UP_MS = 1000;
const RETRY_MS = 50;
/** What a server says that may take the same request a moment later, or whose successor may. */
const PASSING = ['READONLY', 'LOADING', 'MASTERDOWN', 'BUSY', 'TRYAGAIN', 'CLUSTERDOWN', 'UNBLOCKED'];

const TOKEN_BYTES = 9;
/** Asking the kernel for so few bytes costs as much as encoding the step. */
const TOKENS_AT_ONCE = 256;
let randomness = Buffer.alloc(0);

export function newToken(): string {
  if (randomness.length === 0) randomness = randomBytes(TOKEN_BYTES * TOKENS_AT_ONCE);
  const token = randomness.toString('base64url', 0, TOKEN_BYTES);
  randomness = randomness.subarray(TOKEN_BYTES);
  return token;
}

export interface AppendingOptions {
  readonly store: RedisStore;
  readonly node: string;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** A reply was lost; called once for each request. */
  readonly onUnsure: () => void;
}

/**
 * Sends appends, each until it is known what became of it: stands between the log and a connection that may break while a script
 * runs. A request whose reply was lost is sent again as it was, and the Redis tells by its writer's sequence whether it was carried out.
 *
 * Invariant: one request at a time, and no other before its fate is known.
 */
export class Appending {
  readonly #options: AppendingOptions;
  #sequence = 0;

  constructor(options: AppendingOptions) {
    this.#options = options;
  }

  /** Of a request that is new. */
  nextWriter(): AppendRequest['writer'] {
    this.#sequence += 1;
    return { incarnation: this.#options.node, sequence: this.#sequence };
  }

  /**
   * @throws LatchkeyError what the Redis refused it with (nothing was written), or `timeout` where the log closed before its fate was known
   */
  async send(request: AppendRequest): Promise<AppendAnswer> {
    const { logger, onUnsure, signal, store } = this.#options;
    let isUnsure = false;
    for (;;) {
      try {
        return await store.append(request);
      } catch (error) {
        if (!mayPass(error)) throw error;
        if (!isUnsure) {
          logger.warn({ err: error }, 'the answer to a write was lost; it is asked for again');
          onUnsure();
        }
        isUnsure = true;
        if (!(await waited(RETRY_MS, signal))) throw unsure(error);
        await store.up(UP_MS).catch(() => undefined);
      }
    }
  }
}

/** Whether the request may have been carried out, or may be taken a moment later. */
export function mayPass(error: unknown): boolean {
  if (!(error instanceof LatchkeyError)) return false;
  const code = replyCode(error.cause);
  return code === undefined ? error.code === 'not-ready' : PASSING.includes(code);
}

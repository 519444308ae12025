import { LatchkeyError, quote } from '@latchkey/client';
import { bodyText, type Connection, sendOk } from '../request.ts';
import type { ServerPlace } from '../server-options.ts';
import { type Batch, halves, type Item } from './batch.ts';
import { emptyTally, readOutcomes, type Tally } from './outcomes.ts';
import { parseProgressToken, progressToken, type Reached } from './progress-token.ts';
import { questionOf } from './question.ts';
import type { Reject } from './rejects.ts';
import type { Row } from './row.ts';

export interface ChainParts {
  readonly place: ServerPlace;
  readonly connection: Connection;
  readonly source: string;
  /** The source's progress as the server has it; undefined where it has none. */
  readonly token: string | undefined;
  /** How long a server may be away. */
  readonly waitMs: number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly random: () => number;
  /** Called when a wait begins, and with nothing when it is over. */
  readonly onWait: (why: LatchkeyError | undefined) => void;
}

/** What became of a batch. */
export interface Settled {
  readonly rejects: readonly Reject[];
  /** Commands whose answer was lost, though they were taken. */
  readonly unconfirmed: number;
}

const PARTITION = '0';
const BACKOFF_MS_MIN = 100;
const BACKOFF_MS_MAX = 5000;
const TOO_BIG = new Set(['batch-too-big', 'body-too-big']);

/** @throws LatchkeyError; `conflict` where the source is not an import's */
export async function readProgress(
  place: ServerPlace,
  connection: Connection,
  source: string,
): Promise<string | undefined> {
  const text = await bodyText(await sendOk(place, { path: `v1/sources/${encodeURIComponent(source)}`, connection }));
  const { progress } = JSON.parse(text) as { progress: Readonly<Record<string, string>> };
  return progress[PARTITION];
}

/**
 * Stands between batches and the server: each goes with the step from the progress before it to its own end, so that the server
 * takes it once however often it is sent. One is on its way at a time.
 *
 * Invariant: `#token` is the server's progress, or that of the batch on its way.
 */
export class ProgressChain {
  readonly #parts: ChainParts;
  #token: string | undefined;

  constructor(parts: ChainParts) {
    this.#parts = parts;
    this.#token = parts.token;
  }

  /**
   * Resolves when the batch is durable and its outcomes are counted.
   * @throws LatchkeyError what is not mended by waiting; `conflict` where something else moves the source
   */
  async send(batch: Batch, tally: Tally): Promise<Settled> {
    const reached = { at: batch.to, lastBatchFrom: batch.from };
    const own = batch.items.flatMap(({ refusal, row }) => (refusal === undefined ? [] : [{ row, refusal }]));
    const asked = batch.items.filter(({ command }) => command !== undefined);
    try {
      const answer = await this.#take(asked, reached);
      if (answer === 'taken') return { rejects: inOrder(own, await this.recall(asked)), unconfirmed: asked.length };
      return { rejects: inOrder(own, readOutcomes(answer, asked, tally)), unconfirmed: 0 };
    } catch (error) {
      if (!isTooBig(error)) throw error;
      return await this.#sendParts(batch, error, tally);
    }
  }

  /**
   * What was refused of commands that were taken, though nobody read the answer: asked again under a condition that never holds,
   * a command that would be refused is refused, and any other changes nothing.
   */
  async recall(items: readonly Item[]): Promise<readonly Reject[]> {
    const asked: Item[] = [];
    const questions: string[] = [];
    for (const item of items) {
      const question = item.command === undefined ? undefined : questionOf(item.command);
      if (question === undefined) continue;
      asked.push(item);
      questions.push(question);
    }
    if (asked.length === 0) return [];
    try {
      return readOutcomes(await this.#patiently(() => this.#post(bodyOf(questions), {})), asked, emptyTally());
    } catch (error) {
      if (!isTooBig(error)) throw error;
      // Also a row that was refused for it when it was sent.
      if (asked.length === 1) return [rejectOf((asked[0] as Item).row, error)];
      const middle = asked.length >> 1;
      return [...(await this.recall(asked.slice(0, middle))), ...(await this.recall(asked.slice(middle)))];
    }
  }

  async #sendParts(batch: Batch, error: LatchkeyError, tally: Tally): Promise<Settled> {
    if (batch.items.length === 1) {
      const [{ row }] = batch.items as [Item];
      await this.#take([], { at: batch.to, lastBatchFrom: batch.from });
      return { rejects: [rejectOf(row, error)], unconfirmed: 0 };
    }
    const settled: Settled[] = [];
    for (const half of halves(batch)) settled.push(await this.send(half, tally));
    return {
      rejects: settled.flatMap(({ rejects }) => rejects),
      unconfirmed: settled.reduce((sum, { unconfirmed }) => sum + unconfirmed, 0),
    };
  }

  /** The answer, or `taken` where an earlier try arrived and its answer was lost. */
  async #take(items: readonly Item[], reached: Reached): Promise<string | 'taken'> {
    const next = progressToken(reached);
    const headers = {
      'latchkey-source': `${this.#parts.source}/${PARTITION}`,
      'latchkey-next-offset': next,
      ...(this.#token === undefined ? {} : { 'latchkey-expected-offset': this.#token }),
    };
    const body = bodyOf(items.map(({ command }) => command as string));
    try {
      const answer = await this.#patiently(() => this.#post(body, headers));
      this.#token = next;
      return answer;
    } catch (error) {
      if (!(error instanceof LatchkeyError) || error.code !== 'progress-mismatch') throw error;
      const { progress } = error.details.extra ?? {};
      if (progress !== next) throw this.#moved(progress);
      this.#token = next;
      return 'taken';
    }
  }

  #moved(progress: unknown): LatchkeyError {
    const { source } = this.#parts;
    const where = typeof progress === 'string' ? ` to row ${parseProgressToken(progress, source).at.row}` : '';
    return new LatchkeyError(
      'conflict',
      `Something else moved source ${quote(source)}${where}: another import of the same name, or a restored backup. Run the same command again to go on from there, or choose another --name.`,
    );
  }

  async #post(body: Buffer, headers: Readonly<Record<string, string>>): Promise<string> {
    const { connection, place } = this.#parts;
    const response = await sendOk(place, {
      method: 'POST',
      path: 'v1/commands',
      headers: { 'content-type': 'application/x-ndjson', ...headers },
      body,
      connection,
    });
    return await bodyText(response);
  }

  /** Tries until it is done, told that it never will be, or the server was away for too long. */
  async #patiently(attempt: () => Promise<string>): Promise<string> {
    const { onWait, random, sleep, waitMs } = this.#parts;
    let waitedMs = 0;
    for (let backoffMs = BACKOFF_MS_MIN; ; backoffMs = Math.min(backoffMs * 2, BACKOFF_MS_MAX)) {
      try {
        const answer = await attempt();
        if (waitedMs > 0) onWait(undefined);
        return answer;
      } catch (error) {
        const isAnswer = error instanceof LatchkeyError && !error.retryable;
        if (isAnswer && waitedMs > 0) onWait(undefined);
        if (isAnswer || !(error instanceof LatchkeyError) || waitedMs >= waitMs) throw error;
        if (waitedMs === 0) onWait(error);
        const { retryAfter } = error.details;
        const pauseMs = retryAfter === undefined ? backoffMs * (0.5 + random() / 2) : retryAfter * 1000;
        await sleep(Math.min(pauseMs, Math.max(1, waitMs - waitedMs)));
        waitedMs += pauseMs;
      }
    }
  }
}

function isTooBig(error: unknown): error is LatchkeyError {
  return error instanceof LatchkeyError && TOO_BIG.has(error.code);
}

function rejectOf(row: Row, { code, message }: LatchkeyError): Reject {
  return { row, refusal: { code, message } };
}

function bodyOf(commands: readonly string[]): Buffer {
  return Buffer.from(commands.length === 0 ? '' : `${commands.join('\n')}\n`, 'latin1');
}

function inOrder(own: readonly Reject[], told: readonly Reject[]): readonly Reject[] {
  if (own.length === 0) return told;
  return [...own, ...told].sort((one, other) => one.row.number - other.row.number);
}

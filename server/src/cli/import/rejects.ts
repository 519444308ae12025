import { once } from 'node:events';
import { appendFileSync, createReadStream, createWriteStream, existsSync, renameSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import type { Refusal } from '../../commands/command.ts';
import { fileError } from '../file-error.ts';
import { type Row, readable } from './row.ts';

/** A row that was refused, and why. */
export interface Reject {
  readonly row: Row;
  readonly refusal: Pick<Refusal, 'code' | 'message' | 'field'>;
}

/**
 * Stands between an import and the file of its refused rows, one JSON object a line:
 * `{"row","code","message","field","text"}`. The file is made when the first row is refused.
 *
 * Invariant: the file holds the refused rows up to the last batch that was settled, each once, in the order of the input.
 */
export class RejectFile {
  readonly path: string;
  #count = 0;

  constructor(path: string) {
    this.path = path;
  }

  get count(): number {
    return this.#count;
  }

  /** An import that begins anew leaves nothing of one before it. */
  clear(): void {
    rmSync(this.path, { force: true });
    this.#count = 0;
  }

  /** An import that goes on keeps what was refused up to `row`; the rows behind it are told again. */
  async keepUpTo(row: number): Promise<void> {
    this.#count = 0;
    if (!existsSync(this.path)) return;
    const kept = `${this.path}.part`;
    const out = createWriteStream(kept);
    for await (const line of createInterface({
      input: createReadStream(this.path),
      crlfDelay: Number.POSITIVE_INFINITY,
    })) {
      if (!(rowOf(line) <= row)) continue;
      this.#count += 1;
      if (!out.write(`${line}\n`)) await once(out, 'drain');
    }
    out.end();
    await finished(out);
    renameSync(kept, this.path);
    if (this.#count === 0) this.clear();
  }

  /** On the disk's way when this returns: the next batch is sent after that. */
  add(rejects: readonly Reject[]): void {
    if (rejects.length === 0) return;
    const lines = rejects.map(({ refusal, row }) => {
      const { code, field, message } = refusal;
      return `${JSON.stringify({ row: row.number, code, message, field, text: readable(row.text.slice(row.from, row.to)) })}\n`;
    });
    try {
      appendFileSync(this.path, lines.join(''));
    } catch (error) {
      throw fileError(error, this.path, 'written');
    }
    this.#count += rejects.length;
  }
}

/** NaN for a line that a crash cut off. */
function rowOf(line: string): number {
  try {
    return Number((JSON.parse(line) as { row?: unknown }).row);
  } catch {
    return Number.NaN;
  }
}

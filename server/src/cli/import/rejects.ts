import { appendFileSync, existsSync, renameSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
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
    const from = await opened(this.path, 'r');
    const out = await opened(kept, 'w').catch(async (error: unknown) => {
      await from.close();
      throw error;
    });
    try {
      for await (const lines of linesOf(from)) {
        const known = lines.filter((line) => rowOf(line) <= row);
        this.#count += known.length;
        if (known.length > 0) await out.appendFile(`${known.join('\n')}\n`);
      }
    } catch (error) {
      throw fileError(error, kept, 'written');
    } finally {
      await out.close();
    }
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

function opened(path: string, flags: 'r' | 'w'): Promise<FileHandle> {
  return open(path, flags).catch((error: unknown) => {
    throw fileError(error, path, flags === 'r' ? 'read' : 'written');
  });
}

/** Some at a time. Not readline, which ends a line at U+2028 too, as the text of a row may have it. */
async function* linesOf(file: FileHandle): AsyncGenerator<readonly string[]> {
  let rest = '';
  for await (const chunk of file.createReadStream({ encoding: 'utf8' })) {
    const lines = `${rest}${chunk as string}`.split('\n');
    rest = lines.pop() as string;
    yield lines;
  }
  yield [rest];
}

/** NaN for a line that a crash cut off. */
function rowOf(line: string): number {
  try {
    return Number((JSON.parse(line) as { row?: unknown }).row);
  } catch {
    return Number.NaN;
  }
}

import { createHash, randomUUID } from 'node:crypto';
import { basename, resolve } from 'node:path';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { LatchkeyError, quote } from '@latchkey/client';
import { processEnvironment } from '../../config/environment.ts';
import { parseDurationMs } from '../../config/units.ts';
import { systemClock } from '../../shared/clock.ts';
import { printLine, remark, visible } from '../output.ts';
import { grouped, progressBar } from '../progress-bar.ts';
import { type Connection, keepConnection } from '../request.ts';
import { type ServerOptions, type ServerPlace, serverPlace } from '../server-options.ts';
import type { Batch } from './batch.ts';
import { CsvRows } from './csv-rows.ts';
import { contentFrom, formatOf, INPUT_FORMATS, type Input, type InputFormat, openInput } from './input.ts';
import { JsonRows } from './json-rows.ts';
import { compileMapping, type Mapping, type MappingOptions } from './mapping.ts';
import { NdjsonRows } from './ndjson-rows.ts';
import { emptyTally, type Tally } from './outcomes.ts';
import { ProgressChain, readProgress } from './progress-chain.ts';
import { parseProgressToken, type Reached } from './progress-token.ts';
import { batchesOf, type ReadBatch, shorter } from './reading.ts';
import { RejectFile } from './rejects.ts';

export interface ImportOptions extends ServerOptions, MappingOptions {
  readonly format?: string;
  readonly delimiter?: string;
  readonly name?: string;
  readonly rejects?: string;
  readonly restart?: boolean;
  readonly wait: string;
}

/** What `--json` prints, and the text is made of. */
export interface ImportSummary extends Tally {
  readonly source: string;
  readonly format: InputFormat;
  /** Of this run: rows that were read and settled. */
  rows: number;
  /** Taken by a run before this one. */
  readonly skipped: number;
  /** Taken by this run, though the answer was lost. */
  unconfirmed: number;
  /** Entries that had expired when they were read. */
  expired: number;
  /** Rows in the reject file, those of earlier runs of the same import included. */
  refused: number;
  readonly rejects: string | null;
  readonly seconds: number;
}

const INTERRUPTED = 130;
const START: Reached = { at: { offset: 0, row: 0 }, lastBatchFrom: { offset: 0, row: 0 } };

/**
 * `latchkey import FILE|-`: every row once, in order, however often the import or the server is killed and the command repeated.
 * Exit code 1 where rows were refused, 130 where it was interrupted.
 */
export async function runImport(file: string, options: ImportOptions): Promise<void> {
  const place = serverPlace(options, processEnvironment);
  const mapping = compileMapping(options);
  const waitMs = waitOf(options.wait);
  checkDelimiter(options.delimiter);
  const input = await openInput(file, process.stdin);
  const format = formatAsked(options.format) ?? formatOf(file, input.head);
  const source = options.name === undefined ? sourceOf(file, input, options) : checkedName(options.name);
  const connection = await keepConnection(place);
  try {
    const token = await readProgress(place, connection, source);
    const reached = token === undefined || options.restart === true ? START : parseProgressToken(token, source);
    if (input.canSeek && (input.size ?? 0) < reached.at.offset) throw shorter(input.size ?? 0, reached.at);
    const rejects = new RejectFile(rejectsOf(file, options));
    if (reached === START) rejects.clear();
    else await rejects.keepUpTo(reached.lastBatchFrom.row);
    const run = new ImportRun({
      connection,
      file,
      format,
      input,
      mapping,
      options,
      place,
      reached,
      rejects,
      source,
      token,
      waitMs,
    });
    await run.run();
  } finally {
    connection.destroy();
    input.content.destroy();
  }
}

interface RunParts {
  readonly connection: Connection;
  readonly file: string;
  readonly format: InputFormat;
  readonly input: Input;
  readonly mapping: Mapping | undefined;
  readonly options: ImportOptions;
  readonly place: ServerPlace;
  readonly reached: Reached;
  readonly rejects: RejectFile;
  readonly source: string;
  readonly token: string | undefined;
  readonly waitMs: number;
}

/**
 * Stands between the input and the chain of batches: one batch is cut while the server decides the one before it.
 *
 * Invariant: when a batch is sent, the rejects of every batch before it are in the reject file.
 */
class ImportRun {
  readonly #parts: RunParts;
  readonly #chain: ProgressChain;
  readonly #bar = progressBar({ unit: 'rows', clock: systemClock });
  readonly #summary: { -readonly [Name in keyof ImportSummary]: ImportSummary[Name] };
  readonly #startMs = systemClock.monotonicMs();
  #input: Input;
  #isInterrupted = false;

  constructor(parts: RunParts) {
    this.#parts = parts;
    this.#input = parts.input;
    const { connection, format, place, reached, source, token, waitMs } = parts;
    this.#chain = new ProgressChain({
      connection,
      place,
      source,
      token,
      waitMs,
      sleep: (ms) => sleep(ms),
      random: Math.random,
      onWait: (why) => {
        this.#bar.clear();
        remark(
          why === undefined
            ? 'it answers again'
            : `${visible(why.message)} Waiting for it for ${Math.ceil(waitMs / 1000)} s.`,
        );
      },
    });
    const counts = { rows: 0, skipped: reached.at.row, unconfirmed: 0, expired: 0, refused: 0, seconds: 0 };
    this.#summary = { source, format, ...counts, ...emptyTally(), rejects: null };
  }

  async run(): Promise<void> {
    const { reached, source } = this.#parts;
    if (reached !== START) {
      const how =
        this.#parts.file === '-'
          ? 'reading over what was taken; the input must be the same, from its beginning'
          : 'going on';
      remark(`source ${source} has taken ${grouped(reached.at.row)} rows before: ${how}`);
    }
    const interrupt = () => {
      this.#isInterrupted = true;
    };
    // Once: a second signal ends the process as it always does.
    process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
    try {
      await this.#sendAll();
    } catch (error) {
      throw this.#withWayOn(error);
    } finally {
      this.#bar.clear();
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
    }
    await this.#report();
  }

  async #sendAll(): Promise<void> {
    const batches = this.#batches();
    try {
      let next = batches.next();
      for (;;) {
        const { done, value } = await next;
        if (done === true || this.#isInterrupted) return;
        const settled = this.#settle(value.batch, value.isTaken);
        // The request leaves first; then the next batch is cut while the server decides this one.
        next = setImmediate().then(() => batches.next());
        next.catch(() => {}); // Told in the next turn, after what became of this batch.
        await settled;
        this.#show(value.batch);
      }
    } finally {
      // Else the next batch would be waited for, which a pipe may never give.
      this.#input.content.destroy();
      await batches.return(undefined);
    }
  }

  #batches(): AsyncGenerator<ReadBatch> {
    const { file, format, input, mapping, options, reached } = this.#parts;
    const csv = format === 'csv' ? new CsvRows(options.delimiter) : undefined;
    const { lastBatchFrom } = reached;
    // Where rows stand by themselves, what was taken need not be read again.
    const isSought = format === 'ndjson' && input.canSeek && lastBatchFrom.offset > 0;
    const from = isSought ? lastBatchFrom : START.at;
    if (isSought) this.#input = contentFrom(file, input, lastBatchFrom.offset);
    const { content } = this.#input;
    const cutter = csv ?? (format === 'json' ? new JsonRows() : new NdjsonRows(from.row));
    return batchesOf({ content, cutter, csv, from: from.offset, mapping, reached, clock: systemClock });
  }

  async #settle(batch: Batch, isTaken: boolean): Promise<void> {
    const { rejects } = this.#parts;
    const summary = this.#summary;
    if (isTaken) {
      // Taken by the run before, which may have ended before it read the answer.
      const own = batch.items.flatMap(({ refusal, row }) => (refusal === undefined ? [] : [{ row, refusal }]));
      const told = await this.#chain.recall(batch.items);
      rejects.add([...own, ...told].sort((one, other) => one.row.number - other.row.number));
      return;
    }
    const settled = await this.#chain.send(batch, summary);
    rejects.add(settled.rejects);
    summary.rows += batch.items.length;
    summary.unconfirmed += settled.unconfirmed;
    summary.expired += batch.items.filter(
      ({ command, refusal }) => command === undefined && refusal === undefined,
    ).length;
  }

  #show(batch: Batch): void {
    const { size } = this.#input;
    const share = size === undefined || size === 0 ? undefined : this.#input.bytesRead() / size;
    this.#bar.show({ share, count: batch.to.row });
  }

  /** What was taken is kept, so an error that time mends says how to go on. */
  #withWayOn(error: unknown): unknown {
    if (!(error instanceof LatchkeyError) || !error.retryable) return error;
    const { file, options, source } = this.#parts;
    const name = options.name === undefined ? ` and --name ${source}` : '';
    const again = file === '-' ? `give the same input from its beginning${name}` : 'run the same command again';
    return new LatchkeyError(error.code, `${error.message} To go on, ${again}.`, { ...error.details, cause: error });
  }

  async #report(): Promise<void> {
    const { options, rejects } = this.#parts;
    const summary = this.#summary;
    summary.refused = rejects.count;
    summary.rejects = rejects.count === 0 ? null : rejects.path;
    summary.seconds = Math.round(systemClock.monotonicMs() - this.#startMs) / 1000;
    await printLine(options.json === true ? JSON.stringify(summary) : summaryText(summary));
    if (this.#isInterrupted) {
      remark('interrupted: the same command goes on from here');
      process.exitCode = INTERRUPTED;
      return;
    }
    if (rejects.count === 0) return;
    const rows = rejects.count === 1 ? '1 row was' : `${grouped(rejects.count)} rows were`;
    throw new LatchkeyError('event-invalid', `${rows} refused; ${rejects.path} has each with its reason.`, {
      extra: { refused: rejects.count, rejects: rejects.path },
    });
  }
}

/** `1,000 rows in 0.1 s (10,000 rows/s): 990 applied, 10 late`. */
function summaryText(summary: ImportSummary): string {
  const { rows, seconds, skipped } = summary;
  if (rows === 0 && skipped > 0)
    return `nothing new: source ${summary.source} has all ${grouped(skipped)} rows of it; --restart takes them again`;
  const counted = ['applied', 'duplicate', 'late', 'conflict', 'value', 'unconfirmed', 'expired', 'refused'] as const;
  const said = counted.filter((name) => summary[name] > 0).map((name) => `${grouped(summary[name])} ${name}`);
  const rate = seconds > 0 ? ` (${grouped(Math.round(rows / seconds))} rows/s)` : '';
  const before = skipped > 0 ? `; ${grouped(skipped)} were taken before` : '';
  return `${grouped(rows)} ${rows === 1 ? 'row' : 'rows'} in ${seconds.toFixed(1)} s${rate}${said.length === 0 ? '' : `: ${said.join(', ')}`}${before}`;
}

function formatAsked(text: string | undefined): InputFormat | undefined {
  if (text === undefined) return undefined;
  const format = INPUT_FORMATS.find((each) => each === text);
  if (format !== undefined) return format;
  throw new LatchkeyError('usage', `--format takes ${INPUT_FORMATS.join(', ')}, but got ${quote(text)}.`, {
    field: '--format',
  });
}

/** Rows are cut by the byte, so a delimiter of several would leave some of them in the cells. */
function checkDelimiter(text: string | undefined): void {
  if (text === undefined || /^[\t\x20-\x7e]$/.test(text)) return;
  throw new LatchkeyError('usage', `--delimiter takes one ASCII character, but got ${quote(text)}.`, {
    field: '--delimiter',
  });
}

/**
 * A file is known by its place, size and time, and by how its rows are read: changed in any of these it is another source. Only
 * who names a source says that what was taken of it before is still the same.
 */
function sourceOf(file: string, { modifiedMs, size }: Input, options: ImportOptions): string {
  if (file === '-') return `import:stdin-${randomUUID().slice(0, 8)}`;
  const { delimiter, format, key, map, merge, omit, only, ttl, updated, valid, value } = options;
  const reading = [delimiter, format, key, map, merge, omit, only, ttl, updated, valid, value];
  const identity = JSON.stringify([resolve(file), size, modifiedMs, reading]);
  const digest = createHash('sha256').update(identity).digest('hex').slice(0, 12);
  return `import:${basename(file)
    .replace(/[^\w.-]/g, '_')
    .slice(0, 100)}-${digest}`;
}

function checkedName(name: string): string {
  if (/^[\x21-\x7e]{1,200}$/.test(name)) return name;
  throw new LatchkeyError('usage', `--name takes 1 to 200 ASCII characters without spaces, but got ${quote(name)}.`, {
    field: '--name',
  });
}

function rejectsOf(file: string, { rejects }: ImportOptions): string {
  return rejects ?? `${file === '-' ? 'stdin' : file}.rejected.ndjson`;
}

function waitOf(text: string): number {
  try {
    return parseDurationMs(text);
  } catch (error) {
    throw new LatchkeyError('usage', `--wait ${(error as RangeError).message}.`, { field: '--wait' });
  }
}

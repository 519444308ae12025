import { createWriteStream, renameSync, rmSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { LatchkeyError } from '@latchkey/client';
import { processEnvironment } from '../config/environment.ts';
import { systemClock } from '../shared/clock.ts';
import { fileError } from './file-error.ts';
import { printLine, remark, writeOut } from './output.ts';
import { grouped, type ProgressBar, progressBar } from './progress-bar.ts';
import { sendForJson, sendOk } from './request.ts';
import { type ServerOptions, type ServerPlace, serverPlace } from './server-options.ts';

export interface ExportOptions extends ServerOptions {
  readonly prefix?: string;
  readonly pattern?: string;
}

const LINE_FEED = 0x0a;

/** `latchkey export [FILE]`: the entries as the server writes them, one a line. A file is there whole, or not at all. */
export async function runExport(file: string | undefined, options: ExportOptions): Promise<void> {
  const place = serverPlace(options, processEnvironment);
  const query = new URLSearchParams();
  for (const name of ['prefix', 'pattern'] as const) if (options[name] !== undefined) query.set(name, options[name]);
  const total = query.size === 0 ? await totalOf(place) : undefined;
  const response = await sendOk(place, { path: `v1/keys?${query}`, headers: { accept: 'application/x-ndjson' } });
  const bar = progressBar({ unit: 'entries', clock: systemClock });
  const stream = new CountedStream(response, total, bar);
  const isToFile = file !== undefined && file !== '-';
  try {
    if (isToFile) await writeFile(file, stream);
    else for await (const chunk of stream.chunks()) await writeOut(chunk);
  } finally {
    bar.clear();
  }
  const { entries } = stream;
  const position = String(response.headers['latchkey-position']);
  if (isToFile && options.json === true) return await printLine(JSON.stringify({ entries, position, file }));
  remark(
    `${grouped(entries)} ${entries === 1 ? 'entry' : 'entries'}; a watch from ${position} shows what changed since it began`,
  );
}

/** Counts the lines of an answer on their way through. */
class CountedStream {
  readonly #response: IncomingMessage;
  readonly #total: number | undefined;
  readonly #bar: ProgressBar;
  entries = 0;

  constructor(response: IncomingMessage, total: number | undefined, bar: ProgressBar) {
    this.#response = response;
    this.#total = total;
    this.#bar = bar;
  }

  /** @throws LatchkeyError `unavailable` where the answer broke off */
  async *chunks(): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of this.#response as AsyncIterable<Buffer>) {
        for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, at + 1)) this.entries += 1;
        const share = this.#total === undefined || this.#total === 0 ? undefined : this.entries / this.#total;
        this.#bar.show({ share, count: this.entries });
        yield chunk;
      }
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ECONNRESET') throw cause;
      throw new LatchkeyError(
        'unavailable',
        `The connection broke after ${grouped(this.entries)} entries; the export is not whole. Repeat it.`,
        { cause },
      );
    }
  }
}

async function writeFile(file: string, stream: CountedStream): Promise<void> {
  const part = `${file}.part`;
  try {
    const out = createWriteStream(part);
    if (file.endsWith('.gz')) await pipeline(stream.chunks(), createGzip(), out);
    else await pipeline(stream.chunks(), out);
    renameSync(part, file);
  } catch (error) {
    rmSync(part, { force: true });
    throw fileError(error, file, 'written');
  }
}

/** How many entries there are now: what the bar is measured by. */
async function totalOf(place: ServerPlace): Promise<number | undefined> {
  const { value } = await sendForJson(place, { path: 'v1/status' });
  return (value as { view?: { keys?: number } }).view?.keys;
}

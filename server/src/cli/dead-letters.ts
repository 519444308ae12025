import { LatchkeyError } from '@latchkey/client';
import { processEnvironment } from '../config/environment.ts';
import { countOf } from './count-option.ts';
import { printLine, remark, visible } from './output.ts';
import { sendForJson, sendOk } from './request.ts';
import { type ServerOptions, serverPlace } from './server-options.ts';
import { type Column, tableLines } from './table.ts';

export interface DeadLettersOptions extends ServerOptions {
  readonly source?: string;
  readonly limit?: string;
  readonly all?: boolean;
  readonly dryRun?: boolean;
}

interface Letter {
  readonly id: string;
  readonly source: string;
  readonly receivedAt: string;
  readonly reason: { readonly code: string; readonly message: string };
  readonly message: string;
  readonly encoding?: 'base64';
  readonly replays: number;
}

interface Page {
  readonly deadLetters: readonly Letter[];
  readonly cursor?: string;
}

const COLUMNS: readonly Column[] = [
  { title: 'ID' },
  { title: 'RECEIVED' },
  { title: 'SOURCE' },
  { title: 'REPLAYS', isFigure: true },
  { title: 'REASON' },
];
const PAGE = 100;

/** `latchkey dead-letters list`: oldest first, page by page. */
export async function listDeadLetters(options: DeadLettersOptions): Promise<void> {
  const place = serverPlace(options, processEnvironment);
  let left = countOf('--limit', options.limit);
  let cursor: string | undefined;
  let isFirst = true;
  do {
    const query = new URLSearchParams({ limit: String(Math.min(PAGE, left)) });
    if (options.source !== undefined) query.set('source', options.source);
    if (cursor !== undefined) query.set('cursor', cursor);
    const page = (await sendForJson(place, { path: `v1/dead-letters?${query}` })).value as Page;
    const letters = page.deadLetters;
    const cells = letters.map((letter) => [
      letter.id,
      letter.receivedAt,
      letter.source,
      String(letter.replays),
      `${letter.reason.code}: ${letter.reason.message}`,
    ]);
    const widthMax = process.stdout.isTTY ? process.stdout.columns : undefined;
    const lines =
      options.json === true
        ? letters.map((letter) => JSON.stringify(letter))
        : tableLines(COLUMNS, cells, { widthMax, withTitles: isFirst });
    if (letters.length > 0) for (const line of lines) await printLine(line);
    if (isFirst && letters.length === 0 && options.json !== true) remark('no dead letters');
    left -= letters.length;
    isFirst = false;
    cursor = page.cursor;
  } while (cursor !== undefined && left > 0);
}

/** `latchkey dead-letters show ID`: all of one letter, its message as it came. */
export async function showDeadLetter(id: string, options: DeadLettersOptions): Promise<void> {
  const place = serverPlace(options, processEnvironment);
  const { text, value } = await sendForJson(place, { path: `v1/dead-letters/${encodeURIComponent(id)}` });
  if (options.json === true) return await printLine(text.trimEnd());
  const { message, reason, ...rest } = value as Letter;
  const rows = [['reason', `${reason.code}: ${reason.message}`]];
  for (const [name, each] of Object.entries(rest))
    rows.push([name, typeof each === 'string' ? each : JSON.stringify(each)]);
  rows.push(['message', message]);
  for (const line of tableLines([{ title: '' }, { title: '' }], rows, { withTitles: false })) await printLine(line);
}

/** `latchkey dead-letters replay ID | --all [--dry-run]`. */
export async function replayDeadLetters(id: string | undefined, options: DeadLettersOptions): Promise<void> {
  if ((id === undefined) === (options.all !== true)) {
    throw new LatchkeyError('usage', 'replay takes the id of a dead letter, or --all: one of them.');
  }
  if (id !== undefined && options.dryRun === true) throw new LatchkeyError('usage', '--dry-run goes with --all.');
  const path =
    id === undefined ? `replay${options.dryRun === true ? '?dryRun=true' : ''}` : `${encodeURIComponent(id)}/replay`;
  const place = serverPlace(options, processEnvironment);
  const { text, value } = await sendForJson(place, { method: 'POST', path: `v1/dead-letters/${path}` });
  if (options.json === true) return await printLine(text.trimEnd());
  const rows = Object.entries(value as object).map(([name, each]) => [
    name,
    typeof each === 'string' ? each : JSON.stringify(each),
  ]);
  for (const line of tableLines([{ title: '' }, { title: '' }], rows, { withTitles: false })) await printLine(line);
}

/** `latchkey dead-letters drop ID…`. */
export async function dropDeadLetters(ids: readonly string[], options: DeadLettersOptions): Promise<void> {
  const place = serverPlace(options, processEnvironment);
  for (const id of ids) {
    const response = await sendOk(place, { method: 'DELETE', path: `v1/dead-letters/${encodeURIComponent(id)}` });
    response.resume();
    if (options.json !== true) await printLine(`dropped ${visible(id)}`);
  }
}

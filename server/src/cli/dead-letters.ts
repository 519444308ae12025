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
  readonly next?: string;
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
  let after: string | undefined;
  let isFirst = true;
  do {
    const query = new URLSearchParams({ limit: String(Math.min(PAGE, left)) });
    if (options.source !== undefined) query.set('source', options.source);
    if (after !== undefined) query.set('after', after);
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
    after = page.next;
  } while (after !== undefined && left > 0);
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

/** `latchkey dead-letters replay ID | --all [--dry-run]`. One that cannot be replayed stays, and is an error. */
export async function replayDeadLetters(id: string | undefined, options: DeadLettersOptions): Promise<void> {
  if ((id === undefined) === (options.all !== true)) {
    throw new LatchkeyError('usage', 'replay takes the id of a dead letter, or --all: one of them.');
  }
  const place = serverPlace(options, processEnvironment);
  const query = new URLSearchParams(options.dryRun === true ? { dryRun: 'true' } : {});
  if (id !== undefined) {
    const path = `v1/dead-letters/${encodeURIComponent(id)}/replay?${query}`;
    const { text, value } = await sendForJson(place, { method: 'POST', path });
    return await printLine(options.json === true ? text.trimEnd() : replayedLine(value as Replayed));
  }
  if (options.source !== undefined) query.set('source', options.source);
  let kept = 0;
  let after: string | undefined;
  do {
    if (after !== undefined) query.set('after', after);
    const { value } = await sendForJson(place, { method: 'POST', path: `v1/dead-letters/replay?${query}` });
    const { results, next } = value as { results: readonly Replayed[]; next?: string };
    for (const each of results) await printLine(options.json === true ? JSON.stringify(each) : replayedLine(each));
    kept += results.filter((each) => each.kept === true).length;
    after = next;
  } while (after !== undefined);
  if (kept === 0) return;
  throw new LatchkeyError(
    'event-invalid',
    `${kept} dead ${kept === 1 ? 'letter' : 'letters'} could not be replayed; mend the source's format, or drop them.`,
  );
}

interface Replayed {
  readonly id: string;
  readonly kept?: boolean;
  readonly error?: { readonly code: string; readonly message: string };
  readonly dryRun?: boolean;
  readonly commands?: number;
  readonly outcomes?: readonly { readonly outcome: string }[];
}

function replayedLine({ commands, dryRun, error, id, kept, outcomes }: Replayed): string {
  if (kept === true) return visible(`${id}  kept  ${error?.code}: ${error?.message}`);
  if (dryRun === true) return visible(`${id}  readable  ${commands} ${commands === 1 ? 'command' : 'commands'}`);
  return visible(`${id}  replayed  ${(outcomes ?? []).map(({ outcome }) => outcome).join(', ')}`);
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

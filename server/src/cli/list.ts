import { LatchkeyError } from '@latchkey/client';
import { processEnvironment } from '../config/environment.ts';
import { skipSpace } from '../shared/json-grammar.ts';
import { jsonMembers, jsonValueEnd } from '../shared/json-members.ts';
import { countOf } from './count-option.ts';
import { printLine } from './output.ts';
import { bodyText, sendOk } from './request.ts';
import { type ServerOptions, type ServerPlace, serverPlace } from './server-options.ts';
import { type Column, tableLines } from './table.ts';

export interface ListOptions extends ServerOptions {
  readonly prefix?: string;
  readonly pattern?: string;
  readonly limit?: string;
}

const PAGE = 1000;
const COLUMNS: readonly Column[] = [{ title: 'KEY' }, { title: 'VERSION' }, { title: 'UPDATED' }, { title: 'VALUE' }];

/** The entries of one answer, each as the server wrote it. */
interface Page {
  readonly entries: readonly string[];
  readonly cursor: string | undefined;
}

interface ShownEntry {
  readonly key: string;
  readonly version: string;
  readonly updated: string;
  readonly value?: unknown;
  readonly contentType?: string;
  readonly encoding?: 'base64';
}

/** `latchkey list`: a table, page by page, so that a large store is neither waited for nor held; with --json one entry a line. */
export async function runList(options: ListOptions): Promise<void> {
  const place = serverPlace(options, processEnvironment);
  let left = countOf('--limit', options.limit);
  let cursor: string | undefined;
  let isFirst = true;
  do {
    const query = new URLSearchParams({ limit: String(Math.min(PAGE, left)) });
    if (options.prefix !== undefined) query.set('prefix', options.prefix);
    if (options.pattern !== undefined) query.set('pattern', options.pattern);
    if (cursor !== undefined) query.set('cursor', cursor);
    const page = await readPage(place, query);
    for (const line of options.json === true ? page.entries : rows(page.entries, isFirst)) await printLine(line);
    left -= page.entries.length;
    cursor = page.cursor;
    isFirst = false;
  } while (cursor !== undefined && left > 0);
}

/** Not by `JSON.parse`: 1.0 would be 1, and a number beyond 2⁵³ another one. */
async function readPage(place: ServerPlace, query: URLSearchParams): Promise<Page> {
  const text = await bodyText(await sendOk(place, { path: `v1/keys?${query}` }));
  const entries: string[] = [];
  try {
    const { members } = jsonMembers(text, skipSpace(text, 0, text.length), (name, valueStart) => {
      const end = jsonValueEnd(text, valueStart);
      if (name === 'entries') entries.push(...elementsOf(text, valueStart, end));
      return end;
    });
    const cursor = members.find(({ name }) => name === 'cursor');
    return {
      entries,
      cursor: cursor === undefined ? undefined : (JSON.parse(text.slice(cursor.valueStart, cursor.end)) as string),
    };
  } catch (cause) {
    if (!(cause instanceof LatchkeyError)) throw cause;
    const message = `${place.server} answered what is no list of entries; is it a Latchkey server?`;
    throw new LatchkeyError('unavailable', message, { cause });
  }
}

/** The texts of an array's elements; it is valid JSON. */
function elementsOf(text: string, start: number, end: number): readonly string[] {
  const elements: string[] = [];
  let at = skipSpace(text, start + 1, end);
  while (text.charAt(at) !== ']') {
    const to = jsonValueEnd(text, at);
    elements.push(text.slice(at, to));
    at = skipSpace(text, to, end);
    if (text.charAt(at) === ',') at = skipSpace(text, at + 1, end);
  }
  return elements;
}

function rows(entries: readonly string[], withTitles: boolean): string[] {
  if (entries.length === 0) return [];
  const widthMax = process.stdout.isTTY ? process.stdout.columns : undefined;
  const cells = entries.map((text) => {
    const entry = JSON.parse(text) as ShownEntry;
    return [entry.key, entry.version, entry.updated, valueText(entry, jsonTextOf(text))];
  });
  return tableLines(COLUMNS, cells, { widthMax, withTitles });
}

function jsonTextOf(entry: string): string {
  const { members } = jsonMembers(entry, 0, (_name, valueStart) => jsonValueEnd(entry, valueStart));
  const value = members.find(({ name }) => name === 'value');
  return value === undefined ? '' : entry.slice(value.valueStart, value.end);
}

/** A value in one line: JSON as JSON, text as it is, bytes by their count. */
export function valueText(entry: Pick<ShownEntry, 'value' | 'contentType' | 'encoding'>, json?: string): string {
  if (entry.encoding === 'base64') {
    return `(${Buffer.from(String(entry.value), 'base64').length} bytes of ${entry.contentType ?? 'unknown type'})`;
  }
  const isText = typeof entry.value === 'string' && entry.contentType !== undefined && !/json/.test(entry.contentType);
  return isText ? (entry.value as string) : (json ?? JSON.stringify(entry.value) ?? '');
}

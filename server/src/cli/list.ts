import type { Entry } from '@latchkey/client';
import { LatchkeyClient } from '@latchkey/client';
import { processEnvironment } from '../config/environment.ts';
import { countOf } from './count-option.ts';
import { printLine } from './output.ts';
import { type ServerOptions, serverPlace } from './server-options.ts';
import { type Column, tableLines } from './table.ts';

export interface ListOptions extends ServerOptions {
  readonly prefix?: string;
  readonly pattern?: string;
  readonly limit?: string;
}

const PAGE = 1000;
const COLUMNS: readonly Column[] = [{ title: 'KEY' }, { title: 'VERSION' }, { title: 'UPDATED' }, { title: 'VALUE' }];

/** `latchkey list`: a table, page by page, so that a large store is neither waited for nor held; with --json one entry a line. */
export async function runList(options: ListOptions): Promise<void> {
  const client = new LatchkeyClient(serverPlace(options, processEnvironment));
  let left = countOf('--limit', options.limit);
  let cursor: string | undefined;
  let isFirst = true;
  do {
    const page = await client.list({
      limit: Math.min(PAGE, left),
      ...(options.prefix === undefined ? {} : { prefix: options.prefix }),
      ...(options.pattern === undefined ? {} : { pattern: options.pattern }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    for (const line of options.json === true
      ? page.entries.map((entry) => JSON.stringify(entry))
      : rows(page.entries, isFirst)) {
      await printLine(line);
    }
    left -= page.entries.length;
    cursor = page.cursor;
    isFirst = false;
  } while (cursor !== undefined && left > 0);
}

function rows(entries: readonly Entry[], withTitles: boolean): string[] {
  if (entries.length === 0) return [];
  const widthMax = process.stdout.isTTY ? process.stdout.columns : undefined;
  const cells = entries.map((entry) => [entry.key, entry.version, entry.updated, valueText(entry)]);
  return tableLines(COLUMNS, cells, { widthMax, withTitles });
}

/** A value in one line: JSON as JSON, text as it is, bytes by their count. */
export function valueText(entry: {
  readonly value?: unknown;
  readonly contentType?: string;
  readonly encoding?: 'base64';
}): string {
  if (entry.encoding === 'base64') {
    return `(${Buffer.from(String(entry.value), 'base64').length} bytes of ${entry.contentType ?? 'unknown type'})`;
  }
  const isText = typeof entry.value === 'string' && entry.contentType !== undefined && !/json/.test(entry.contentType);
  return isText ? (entry.value as string) : (JSON.stringify(entry.value) ?? '');
}

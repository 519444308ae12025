import { effectiveSettings } from '../config/effective.ts';
import { printLine, remark } from './output.ts';
import type { ServeOptions } from './serve.ts';
import { loadServeSettings } from './serve-settings.ts';
import { type Column, tableLines } from './table.ts';

export interface ConfigOptions extends ServeOptions {
  readonly json?: boolean;
  /** Only what is not a default. */
  readonly given?: boolean;
}

const COLUMNS: readonly Column[] = [{ title: 'SETTING' }, { title: 'VALUE' }, { title: 'FROM' }];

/** `latchkey config show`: every setting in effect and where it comes from; secrets stand by their reference. */
export async function runConfigShow(options: ConfigOptions): Promise<void> {
  const { given, json, ...serve } = options;
  const loaded = loadServeSettings(serve);
  for (const warning of loaded.warnings) remark(warning);
  const all = effectiveSettings(loaded).filter(({ origin }) => given !== true || origin !== 'default');
  if (json === true) {
    const settings = Object.fromEntries(all.map(({ origin, path, value }) => [path, { value, origin }]));
    return await printLine(JSON.stringify(settings));
  }
  const rows = all.map(({ origin, path, value }) => [path, textOf(value), origin]);
  for (const line of tableLines(COLUMNS, rows, { withTitles: true })) await printLine(line);
}

function textOf(value: unknown): string {
  return typeof value === 'string' && value !== '' ? value : JSON.stringify(value);
}

import { processEnvironment } from '../config/environment.ts';
import { printLine, visible } from './output.ts';
import { sendForJson } from './request.ts';
import { type ServerOptions, serverPlace } from './server-options.ts';
import { tableLines } from './table.ts';

/** `latchkey status`: what the server says of itself, one name and value a line. */
export async function runStatus(options: ServerOptions): Promise<void> {
  const place = serverPlace(options, processEnvironment);
  const { text, value } = await sendForJson(place, { path: 'v1/status' });
  if (options.json === true) return await printLine(text.trimEnd());
  const rows = [['server', place.server], ...flatten(value, '')];
  for (const line of tableLines([{ title: '' }, { title: '' }], rows, { withTitles: false })) await printLine(line);
}

/** `log.kind  local`: the names of the JSON answer, so that what is read here can be asked for there. */
function flatten(value: unknown, path: string): string[][] {
  if (typeof value !== 'object' || value === null) return [[path, visible(String(value ?? ''))]];
  if (Array.isArray(value) && value.length === 0) return [[path, 'none']];
  return Object.entries(value).flatMap(([name, inner]) => flatten(inner, path === '' ? name : `${path}.${name}`));
}

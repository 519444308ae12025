import { pipeline } from 'node:stream/promises';
import { LatchkeyError } from '@latchkey/client';
import { processEnvironment } from '../config/environment.ts';
import { endsInLineFeed, printLine, remark, visible, writeOut } from './output.ts';
import { bodyText, sendOk } from './request.ts';
import { type ServerOptions, serverPlace } from './server-options.ts';

export interface GetOptions extends ServerOptions {
  readonly key?: string;
  readonly all?: boolean;
  readonly prefix?: string;
}

/** `latchkey get KEY`: the value as it is kept, byte for byte; on a terminal made harmless and ended with a line feed. */
export async function runGet(argument: string | undefined, options: GetOptions): Promise<void> {
  const key = argument ?? options.key;
  if (key === undefined || options.all === true || options.prefix !== undefined) {
    if (key !== undefined) throw new LatchkeyError('usage', 'get takes a key, or --all, or --prefix: one of them.');
    const { runList } = await import('./list.ts');
    return await runList(options);
  }
  const place = serverPlace(options, processEnvironment);
  const path = `v1/keys/${encodeKey(key)}`;
  if (options.json === true) {
    const text = await bodyText(await sendOk(place, { path: `${path}?meta=true` }));
    return await printLine(text.trimEnd());
  }
  const response = await sendOk(place, { path });
  if (response.headers['latchkey-stale'] === 'true') remark(`stale since ${response.headers['latchkey-valid-until']}`);
  if (!process.stdout.isTTY) return await pipeline(response, process.stdout, { end: false });
  const type = response.headers['content-type'] ?? '';
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const value = Buffer.concat(chunks);
  if (!/json|^text\//.test(type)) {
    remark(`${value.length} bytes of ${visible(type)}; send them to a file or a program to see them`);
    return;
  }
  const text = value.toString();
  // What a stranger stored must not move the cursor or recolour the screen; line feeds and tabs may stay.
  const harmless = text.split(/([\n\t])/).map((part) => (part === '\n' || part === '\t' ? part : visible(part)));
  await writeOut(harmless.join('') + (endsInLineFeed(text) ? '' : '\n'));
}

/** One path segment; the server decodes it once. `.` and `..` would be taken for steps, so their dots are written out. */
export function encodeKey(key: string): string {
  if (key === '' || !key.isWellFormed())
    throw new LatchkeyError('key-invalid', 'A key is text of at least one character.');
  return key === '.' || key === '..' ? key.replaceAll('.', '%2E') : encodeURIComponent(key);
}

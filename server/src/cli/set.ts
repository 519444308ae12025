import { isUtf8 } from 'node:buffer';
import { buffer } from 'node:stream/consumers';
import { LatchkeyError, type Outcome, quote } from '@latchkey/client';
import { processEnvironment } from '../config/environment.ts';
import { encodeKey } from './get.ts';
import { printLine } from './output.ts';
import { type Request, sendForJson } from './request.ts';
import { type ServerOptions, serverPlace } from './server-options.ts';

export interface SetOptions extends ServerOptions {
  readonly key?: string;
  readonly value?: string;
  readonly ttl?: string;
  readonly updated?: string;
  readonly valid?: string;
  readonly ifAbsent?: boolean;
  readonly ifVersion?: string;
  readonly text?: boolean;
}

/** `latchkey set KEY VALUE`: sent as the bytes that were given, so that 1.0 stays 1.0. */
export async function runSet(positional: readonly string[], options: SetOptions): Promise<void> {
  const [key, value] = keyAndValue(positional, options);
  const place = serverPlace(options, processEnvironment);
  const body = value === '-' ? await buffer(process.stdin) : Buffer.from(value);
  const query = new URLSearchParams();
  for (const name of ['ttl', 'updated', 'valid'] as const)
    if (options[name] !== undefined) query.set(name, options[name]);
  const request: Request = {
    method: 'PUT',
    path: `v1/keys/${encodeKey(key)}${query.size === 0 ? '' : `?${query}`}`,
    headers: {
      'content-type': contentTypeOf(body, options.text === true),
      ...(options.ifAbsent === true ? { 'if-none-match': '*' } : {}),
      ...(options.ifVersion === undefined ? {} : { 'if-match': `"${bareVersion(options.ifVersion)}"` }),
    },
    body,
  };
  const answer = await sendForJson(place, request).catch((error: unknown) => {
    throw error instanceof LatchkeyError && error.code === 'conflict' ? conflict(error.details.extra?.entry) : error;
  });
  await printOutcome(answer.value as Outcome, options.json === true ? answer.text : undefined);
}

/** `applied k3x9.8`; what did not happen is an error with the exit code of a conflict. */
export async function printOutcome(outcome: Outcome, json: string | undefined): Promise<void> {
  if (outcome.outcome === 'late') {
    throw new LatchkeyError('conflict', `Nothing was changed: version ${outcome.version} has a later "updated" time.`);
  }
  if (outcome.outcome === 'conflict') throw conflict(outcome.entry);
  if (json !== undefined) return await printLine(json.trimEnd());
  await printLine([outcome.outcome, 'version' in outcome ? outcome.version : undefined].filter(Boolean).join(' '));
}

function conflict(entry: unknown): LatchkeyError {
  const version = (entry as { version?: string } | null | undefined)?.version;
  const why = version === undefined ? 'there is no entry' : `the entry is there with version ${version}`;
  return new LatchkeyError('conflict', `Nothing was changed: ${why}.`, { extra: { entry } });
}

function keyAndValue(positional: readonly string[], options: SetOptions): [string, string] {
  const key = options.key ?? positional[0];
  const rest = options.key === undefined ? positional.slice(1) : positional;
  const value = options.value ?? rest[0];
  if (key === undefined || value === undefined || rest.length > (options.value === undefined ? 1 : 0)) {
    throw new LatchkeyError(
      'usage',
      'set takes one key and one value: latchkey set KEY VALUE. Quote a value that has spaces.',
    );
  }
  return [key, value];
}

function contentTypeOf(body: Buffer, asText: boolean): string {
  if (!isUtf8(body)) return 'application/octet-stream';
  if (asText) return 'text/plain; charset=utf-8';
  try {
    JSON.parse(body.toString());
    return 'application/json';
  } catch {
    return 'text/plain; charset=utf-8';
  }
}

function bareVersion(text: string): string {
  const version = text.replace(/^"|"$/g, '');
  if (/^[0-9a-z.~-]{1,64}$/.test(version)) return version;
  throw new LatchkeyError('usage', `--if-version takes a version such as k3x9.1042, but got ${quote(text)}.`);
}

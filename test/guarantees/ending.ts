/** How a run comes to rest: nothing expires any more, the last writes are put, every watcher has them, and the entries are read. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Position, parsePosition, parseVersion } from '@latchkey/client';
import type { WireChange } from '../../server/src/verify/sight.ts';
import { ask, put } from '../support/http-client.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { END_KEYS } from './cast.ts';
import type { Watcher } from './watchers.ts';

export const CATCH_UP_TIMEOUT_MS = 60_000;

export type Entries = ReadonlyMap<string, WireChange & { readonly expires?: string }>;

const lastOffset = ({ components }: Position) => components[0]?.offset ?? 0;

/** As they are at that version, or later: of several workers or nodes one may be a moment behind. */
export async function readEntries(url: string, atLeast?: string): Promise<Entries> {
  const deadline = AbortSignal.timeout(CATCH_UP_TIMEOUT_MS);
  for (;;) {
    const { json } = await ask(`${url}/v1/keys?limit=1000&values=true`);
    const { entries, position } = json as { readonly entries: readonly WireChange[]; readonly position: string };
    if (atLeast === undefined || lastOffset(parsePosition(position)) >= parseVersion(atLeast).offset)
      return new Map(entries.map((entry) => [entry.key, entry]));
    if (deadline.aborted) throw new Error(`the entries are those of ${position}, and ${atLeast} was acknowledged`);
    await sleep(2);
  }
}

/** The JSON text of each entry's value. */
export function contentsOf(entries: Entries): ReadonlyMap<string, string> {
  return new Map([...entries].map(([key, { value }]) => [key, JSON.stringify(value)] as const));
}

/** Between two faults nothing may end a server. */
export async function alive<T>(servers: readonly ServerProcess[], waiting: Promise<T>): Promise<T> {
  const ended = servers.map(async (server) => {
    const { code, signal } = await server.exited;
    throw new Error(`the server ended by itself (${signal ?? `exit code ${code}`}). It printed:\n${server.output}`);
  });
  for (const each of ended) each.catch(() => {}); // It ends when it is told to, later.
  return Promise.race([waiting, ...ended]);
}

/** Puts the last write of each group and waits until every watcher has it. Resolves with the last version. */
export async function settle(
  server: ServerProcess,
  watchers: readonly Watcher[],
  timeoutMs = CATCH_UP_TIMEOUT_MS,
): Promise<string> {
  const content = `end-${server.pid}`;
  let version = '';
  for (const key of END_KEYS) {
    const { json, status, text } = await put(server.url, key, content);
    if (status !== 200) throw new Error(`the last write was answered ${status}: ${text}`);
    version = (json as { readonly version: string }).version;
  }
  const deadline = AbortSignal.timeout(timeoutMs);
  const late = new Promise<never>((_, fail) =>
    deadline.addEventListener('abort', () => fail(new Error(`not caught up within ${timeoutMs} ms`))),
  );
  for (const watcher of watchers) {
    await Promise.race([watcher.seek(JSON.stringify(content)), late]).catch((error: unknown) => {
      throw new Error(`${watcher.name}: ${String(error)}; lastly it was told ${watcher.last()}\n${server.output}`);
    });
  }
  return version;
}

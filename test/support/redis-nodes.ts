/** Nodes of one log that a Redis keeps: each a server of its own, as users start it, with a data directory of its own. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command, Outcome } from '@latchkey/client';
import { ask, sendCommands } from './http-client.ts';
import { type Scope, ServerProcess } from './server-process.ts';

const WAIT_MAX_MS = 60_000;
const POLL_MS = 10;

/** Resolves when it is ready. It ends with the scope. */
export function startNode(
  scope: Scope,
  url: string,
  env: Readonly<Record<string, string>> = {},
): Promise<ServerProcess> {
  return ServerProcess.start({ env: { LATCHKEY_LOG_KIND: 'redis', LATCHKEY_LOG_URL: url, ...env } }, scope);
}

export async function startNodes(
  scope: Scope,
  count: number,
  url: string,
  env: Readonly<Record<string, string>> = {},
): Promise<readonly ServerProcess[]> {
  return Promise.all(Array.from({ length: count }, () => startNode(scope, url, env)));
}

/** A scope for what the tests of one file share; `close` belongs in `after`. */
export class SharedScope implements Scope {
  readonly #ends: (() => unknown)[] = [];

  after(done: () => unknown): void {
    this.#ends.push(done);
  }

  async close(): Promise<void> {
    for (const end of this.#ends.toReversed()) await end();
  }
}

/** Asks again and again until it is so; `seen` is what the failure shows. */
export async function eventually<T>(what: string, look: () => Promise<T>, holds: (seen: T) => boolean): Promise<T> {
  const deadline = AbortSignal.timeout(WAIT_MAX_MS);
  for (;;) {
    const seen = await look();
    if (holds(seen)) return seen;
    if (deadline.aborted) throw new Error(`Not within ${WAIT_MAX_MS / 1000} s: ${what}; it was ${show(seen)}`);
    await sleep(POLL_MS);
  }
}

const show = (seen: unknown) => JSON.stringify(seen instanceof Map ? [...seen] : seen);

/** Why a node is not ready; undefined: it is. */
export async function reasonOf(node: ServerProcess): Promise<string | undefined> {
  const { status, text } = await ask(`${node.url}/ready`);
  return status === 200 ? undefined : text;
}

export async function untilReady(...nodes: readonly ServerProcess[]): Promise<void> {
  for (const node of nodes)
    await eventually(
      `${node.url} is ready`,
      () => reasonOf(node),
      (reason) => reason === undefined,
    );
}

/** Resolves with the reason. */
export async function untilNotReady(node: ServerProcess): Promise<string> {
  const reason = await eventually(
    `${node.url} is not ready`,
    () => reasonOf(node),
    (seen) => seen !== undefined,
  );
  return reason ?? '';
}

/** What a node shows: the JSON text of each value, and its version. */
export async function shownBy(node: ServerProcess): Promise<ReadonlyMap<string, string>> {
  const { json } = await ask(`${node.url}/v1/keys?limit=1000&values=true`);
  const { entries } = json as {
    readonly entries: readonly { readonly key: string; readonly value: unknown; readonly version: string }[];
  };
  return new Map(entries.map(({ key, value, version }) => [key, `${JSON.stringify(value)} @ ${version}`]));
}

/** Resolves with the values when all nodes show the same entries of the same versions, and those for which `holds` is so. */
export async function untilAgree(
  nodes: readonly ServerProcess[],
  holds: (values: Readonly<Record<string, unknown>>) => boolean = () => true,
): Promise<Readonly<Record<string, unknown>>> {
  const valuesOf = (shown: ReadonlyMap<string, string> | undefined) =>
    Object.fromEntries([...(shown ?? [])].map(([key, text]) => [key, JSON.parse(text.replace(/ @ \S+$/, ''))]));
  const all = await eventually(
    'all nodes show the same',
    () => Promise.all(nodes.map(shownBy)),
    (each) => each.every((shown) => show(shown) === show(each[0])) && holds(valuesOf(each[0])),
  );
  return valuesOf(all[0]);
}

/** Sends until it is applied: a node that lost its Redis for a moment says so, and takes it later. */
export async function untilApplied(node: ServerProcess, command: Command): Promise<string> {
  const outcome = await eventually<Outcome | undefined>(
    `${JSON.stringify(command)} is applied`,
    async () => {
      try {
        return (await sendCommands(node.url, [command]))[0];
      } catch {
        return undefined;
      }
    },
    (seen) => seen?.outcome === 'applied',
  );
  return (outcome as { readonly version: string }).version;
}

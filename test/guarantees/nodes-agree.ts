/** NodesAgree: at the end every node shows the same entries, each of the same version, and the Redis holds just those as plain keys. */
import type { Violation } from '../../server/src/verify/history.ts';
import type { RedisProcess } from '../support/redis.ts';
import { contentsOf, type Entries } from './ending.ts';

/** Of the log itself, beside the entries. */
const OWN_PREFIX = 'latchkey:';
const SCAN_COUNT = 1000;

export interface PlainKeys {
  /** The JSON text of each value. */
  readonly contents: ReadonlyMap<string, string>;
  /** Keys that expire at some time. */
  readonly expiring: readonly string[];
}

/** As any other client of that Redis reads them. */
export async function readPlainKeys(redis: RedisProcess): Promise<PlainKeys> {
  const contents = new Map<string, string>();
  const expiring: string[] = [];
  let cursor = '0';
  do {
    const [next, keys] = (await redis.command('SCAN', cursor, 'COUNT', SCAN_COUNT)) as [string, readonly string[]];
    cursor = next;
    for (const key of keys) {
      if (key.startsWith(OWN_PREFIX) || contents.has(key)) continue;
      contents.set(key, JSON.stringify(JSON.parse(String(await redis.command('GET', key)))));
      if (Number(await redis.command('PTTL', key)) >= 0) expiring.push(key);
    }
  } while (cursor !== '0');
  return { contents, expiring };
}

function differences(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): readonly string[] {
  return [...new Set([...one.keys(), ...other.keys()])]
    .filter((key) => one.get(key) !== other.get(key))
    .map((key) => `${key} is ${other.get(key) ?? 'absent'}, not ${one.get(key) ?? 'absent'}`);
}

/** `nodes`: the entries of each, of the same position. None of them expires any more. */
export function nodesAgree(nodes: readonly Entries[], plain: PlainKeys): readonly Violation[] {
  const [first = new Map() as Entries, ...others] = nodes;
  const withVersions = (entries: Entries) =>
    new Map([...entries].map(([key, { value, version }]) => [key, `${JSON.stringify(value)} of ${version}`]));
  const found = (to: string, messages: readonly string[]) =>
    messages.map((message) => ({ guarantee: 'NodesAgree', to, message }));
  return [
    ...others.flatMap((entries, index) =>
      found(`node ${index + 2}`, differences(withVersions(first), withVersions(entries))),
    ),
    ...found('redis', differences(contentsOf(first), plain.contents)),
    ...found(
      'redis',
      plain.expiring.map((key) => `${key} expires, and its entry does not`),
    ),
  ];
}

/**
 * A source with offsets of its own. It sends its rows in batches together with its progress; after anything that went wrong it asks
 * the log how far it is, and goes on from there. Two of them take turns unasked at the same partition, as after a bad handover.
 */
import type { Outcome } from '@latchkey/client';
import { ask } from '../support/http-client.ts';
import type { Put } from './recorder.ts';
import type { WriterOptions } from './write-maker.ts';
import { codeOf, loop } from './writers.ts';

export const SOURCE = 'rows';
export const SOURCE_PARTITION = '0';
const KEYS_PER_GROUP = 4;
export const SOURCE_KEYS = ['a', 'b'].flatMap((group) =>
  Array.from({ length: KEYS_PER_GROUP }, (_, index) => `${group}.src${index}`),
);
const BATCH_MAX = 12;
/** How often it believes to be where it was before. */
const REWIND_CHANCE = 0.05;

/** Row n is always the same. */
function rowOf(n: number): Put {
  const key = SOURCE_KEYS[n % SOURCE_KEYS.length] as string;
  return { op: 'put', key, value: `row ${n}${'.'.repeat(n % 97)}` };
}

export function rowNumber(content: string | undefined): number | undefined {
  const text = /^"row (\d+)\.*"$/.exec(content ?? '')?.[1];
  return text === undefined ? undefined : Number(text);
}

/** The next row that the log has not taken; `null` where it took none. */
export async function progressOf(url: string): Promise<string | null> {
  const { json, status } = await ask(`${url}/v1/sources/${SOURCE}`);
  if (status !== 200) throw new Error(`the progress of a source was answered ${status}`);
  return (json as { readonly progress: Readonly<Record<string, string>> }).progress[SOURCE_PARTITION] ?? null;
}

export function sendRows(options: WriterOptions): Promise<void> {
  const { name, recorder, target } = options;
  const random = target.random.fork();
  /** Undefined: to be asked for. */
  let at: string | null | undefined;
  return loop(options, async () => {
    const expected = at === undefined ? await progressOf(target.url) : at;
    at = undefined;
    const first = Number(expected ?? 0);
    const next = first + random.between(1, BATCH_MAX);
    const rows = Array.from({ length: next - first }, (_, index) => rowOf(first + index));
    const [sentAt, after] = [recorder.tick(), recorder.lastAcked];
    const { json, status } = await ask(`${target.url}/v1/commands`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'latchkey-source': `${SOURCE}/${SOURCE_PARTITION}`,
        ...(expected === null ? {} : { 'latchkey-expected-offset': expected }),
        'latchkey-next-offset': String(next),
      },
      body: JSON.stringify(rows),
    });
    if (status !== 200) {
      recorder.countRefusal(codeOf(json));
      return;
    }
    const outcomes = json as readonly Outcome[];
    const acked = outcomes.filter((outcome, index) =>
      recorder.outcome(name, rows[index] as Put, sentAt, after, outcome),
    );
    target.countAcks(acked.length);
    at = random.chance(REWIND_CHANCE) ? expected : String(next);
  });
}

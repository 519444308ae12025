import { LatchkeyError } from '@latchkey/client';
import type { Item } from './batch.ts';
import type { Reject } from './rejects.ts';

/** How many rows came to what. */
export interface Tally {
  applied: number;
  duplicate: number;
  late: number;
  conflict: number;
  /** Answers to `read` commands. */
  value: number;
}

export function emptyTally(): Tally {
  return { applied: 0, duplicate: 0, late: 0, conflict: 0, value: 0 };
}

const START = '{"outcome":"';
const NAMES: Readonly<Record<string, keyof Tally>> = {
  a: 'applied',
  d: 'duplicate',
  l: 'late',
  c: 'conflict',
  v: 'value',
};

/**
 * Counts the outcomes of an answer, one a line, by the first letter of each; only refusals are parsed. Gives the refused.
 * @throws LatchkeyError `unavailable` for an answer that is not one outcome for each item
 */
export function readOutcomes(answer: string, items: readonly Item[], tally: Tally): readonly Reject[] {
  const rejects: Reject[] = [];
  let from = 0;
  for (const { row } of items) {
    const to = answer.indexOf('\n', from);
    if (to < 0 || !answer.startsWith(START, from)) throw strange(items.length);
    const name = NAMES[answer.charAt(from + START.length)];
    if (name === undefined) {
      const { code, field, message } = JSON.parse(answer.slice(from, to)) as Reject['refusal'];
      // The server numbers the lines of the batch, which means nothing to whoever reads the file.
      const said = message.replace(/^Line \d+: /, '');
      rejects.push({ row, refusal: { code, message: said, ...(field === undefined ? {} : { field }) } });
    } else tally[name] += 1;
    from = to + 1;
  }
  if (from !== answer.length) throw strange(items.length);
  return rejects;
}

function strange(count: number): LatchkeyError {
  return new LatchkeyError(
    'unavailable',
    `The server did not answer with ${count} outcomes, one a line; is it a Latchkey server?`,
  );
}

/** What must happen once, held against the journal: writes under idempotency keys, and the rows of a source. */
import type { Sight, Violation } from '../../server/src/verify/history.ts';
import { show } from '../../server/src/verify/segment.ts';
import type { Keyed } from './recorder.ts';
import { rowNumber, SOURCE } from './source.ts';

const MISMATCH = 'idempotency-mismatch';

const found = (guarantee: string, to: string, message: string): Violation => ({ guarantee, to, message });

/**
 * A put under an idempotency key is one change at most, however often it is sent; every answer is the first one; and another value
 * under the same key is refused.
 */
export function appliedOnce(keyed: readonly Keyed[], log: readonly Sight[]): readonly Violation[] {
  const places = Map.groupBy(
    log.filter(({ op }) => op === 'put'),
    ({ content }) => content,
  );
  return keyed.flatMap(({ answers, content, idempotencyKey, others, writer }) => {
    // A `stale` that follows carries the same value; it is no second put. Nobody sets an expiry on these keys.
    const puts = (places.get(content) ?? []).map(({ epoch, offset }) => `${epoch}.${offset}`);
    const messages: string[] = [];
    if (puts.length > 1) messages.push(`was applied ${puts.length} times, as ${puts.join(' and ')}`);
    const first = answers[0];
    for (const answer of new Set(answers)) {
      if (answer !== first) messages.push(`was answered ${first}, and then ${answer}`);
    }
    const applied = /^applied (.*)$/.exec(first ?? '')?.[1];
    if (applied !== undefined && !puts.includes(applied)) messages.push(`was answered ${first}, but is not there`);
    if (first !== undefined && applied === undefined && puts.length > 0)
      messages.push(`was answered ${first}, but is in the log as ${puts[0]}`);
    for (const other of others) {
      if (other.answer !== MISMATCH) messages.push(`came again with another value and was answered ${other.answer}`);
      if (places.has(other.content)) messages.push(`came again with another value, which is in the log`);
    }
    return messages.map((message) => found('AppliedOnce', writer, `the put under ${idempotencyKey} ${message}`));
  });
}

/**
 * No text that was put comes again after another value of its key: each put has a text of its own, and nobody sends one twice but under
 * an idempotency key. An expiry that is set repeats the value that is there.
 */
export function writtenOnce(log: readonly Sight[]): readonly Violation[] {
  const now = new Map<string, string | undefined>();
  const written = new Map<string, Sight>();
  const violations: Violation[] = [];
  for (const sight of log) {
    const { content, key, op } = sight;
    if (op === 'put' && content?.startsWith('"') === true) {
      const name = `${key} ${content}`;
      const first = written.get(name);
      if (first === undefined) written.set(name, sight);
      else if (now.get(key) !== content)
        violations.push(found('AppliedOnce', key, `${show(first)} came again as ${show(sight)}`));
    }
    if (op !== 'stale') now.set(key, content);
  }
  return violations;
}

/** Every row up to the source's progress is in the log once, in the source's order, and none beyond it. */
export function progressExact(log: readonly Sight[], progress: string | null): readonly Violation[] {
  const end = Number(progress ?? 0);
  const violations: Violation[] = [];
  let expected = 0;
  for (const { content, epoch, offset, op } of log) {
    const row = op === 'put' ? rowNumber(content) : undefined;
    if (row === undefined) continue;
    const place = `${epoch}.${offset}`;
    if (row < expected) violations.push(found('ProgressExact', SOURCE, `row ${row} came again, as ${place}`));
    else if (row > expected)
      violations.push(found('ProgressExact', SOURCE, `rows ${expected} to ${row - 1} are missing before ${place}`));
    expected = Math.max(expected, row + 1);
  }
  if (expected !== end)
    violations.push(found('ProgressExact', SOURCE, `the log has rows up to ${expected}, its progress says ${end}`));
  return violations;
}

/** What the outcomes promised, held against the journal: merges, conditions, removals and refusals. Each answers with its violations. */
import { parseVersion } from '@latchkey/client';
import type { Sight, Violation } from '../../server/src/verify/history.ts';
import { show } from '../../server/src/verify/segment.ts';
import type { Applied, Recorder, Removal, Shown } from './recorder.ts';

type Json = Readonly<Record<string, unknown>>;

/** The changes of each key in offset order, and each change by its offset. */
export class KeyedLog {
  readonly #byOffset: ReadonlyMap<number, Sight>;
  readonly #byKey: Map<string, Sight[]>;

  constructor(log: readonly Sight[]) {
    this.#byOffset = new Map(log.map((sight) => [sight.offset, sight]));
    this.#byKey = Map.groupBy(log, ({ key }) => key);
  }

  at(offset: number): Sight | undefined {
    return this.#byOffset.get(offset);
  }

  of(key: string): readonly Sight[] {
    return this.#byKey.get(key) ?? [];
  }

  /** The last change of the key's value before that offset: `stale` changes none. */
  valueBefore(key: string, offset: number): Sight | undefined {
    return this.of(key).findLast((sight) => sight.offset < offset && sight.op !== 'stale');
  }
}

/** RFC 7386 for flat patches, which are all that the writers send. */
function merged(before: Sight | undefined, patch: Json): Json {
  const held: unknown = before?.content === undefined ? undefined : JSON.parse(before.content);
  const base = typeof held === 'object' && held !== null && !Array.isArray(held) ? (held as Json) : {};
  return Object.fromEntries(
    Object.entries({ ...base, ...patch }).filter(([name]) => !(name in patch) || patch[name] !== null),
  );
}

const sorted = (value: Json) => JSON.stringify(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)));

/** A merge's change holds the entry before it with the patch on top, nothing more and nothing less; an expire's the entry itself. */
function mergeViolations({ ack, write }: Applied, log: KeyedLog): readonly string[] {
  if (write.op !== 'merge' && write.op !== 'expire') return [];
  const kept = log.at(ack.offset);
  if (kept?.content === undefined || kept.key !== ack.key) return [`${show(ack)} is not in the log`];
  if (write.op === 'expire') {
    const before = log.valueBefore(ack.key, ack.offset)?.content;
    return before === kept.content ? [] : [`expire of ${ack.key}@${ack.offset} gave ${kept.content}, not ${before}`];
  }
  const expected = sorted(merged(log.valueBefore(ack.key, ack.offset), write.value));
  const found = sorted(JSON.parse(kept.content) as Json);
  return expected === found ? [] : [`merge of ${ack.key}@${ack.offset} gave ${found}, expected ${expected}`];
}

/** What was applied under a condition found the entry that the condition asked for. */
function conditionViolations({ ack, write }: Applied, log: KeyedLog): readonly string[] {
  if (write.op !== 'put') return [];
  const before = log.valueBefore(ack.key, ack.offset);
  if (write.ifAbsent === true && before !== undefined && before.op !== 'remove')
    return [`${show(ack)} was applied with ifAbsent over ${show(before)}`];
  if (write.ifVersion === undefined) return [];
  // What came after the last change of the value, a `stale`, is a version of the same value.
  const { offset } = parseVersion(write.ifVersion);
  const named = log.at(offset);
  const holds = before !== undefined && offset >= before.offset && offset < ack.offset;
  if (holds && named?.key === ack.key && write.ifVersion === `${named.epoch}.${named.offset}`) return [];
  return [`${show(ack)} was applied with ifVersion ${write.ifVersion} over ${before ? show(before) : 'nothing'}`];
}

function removalViolations({ after, keys, last }: Removal, log: KeyedLog): readonly string[] {
  const isRemoved = (key: string) =>
    log.of(key).some(({ offset, op }) => op === 'remove' && offset > after && offset <= last);
  return keys
    .filter((key) => !isRemoved(key))
    .map((key) => `removeMatching said ${key} went, but no remove lies after ${after} and up to ${last}`);
}

/**
 * Who asks for an entry by the version of a write is shown that write or a later one; it is absent only where it was removed since, or had
 * an expiry: nodes may see that pass up to a second apart, so that another one still writes over an entry that is no longer shown here.
 */
function shownViolations(
  { at, isAbsent, written }: Shown,
  log: KeyedLog,
  expiring: ReadonlySet<number>,
): readonly string[] {
  if (at < written.offset) return [`${show(written)} was asked for, and what was shown is of offset ${at}`];
  const mayBeGone = () =>
    log.of(written.key).some(({ offset, op }) => offset >= written.offset && (op === 'remove' || expiring.has(offset)));
  return isAbsent && !mayBeGone() ? [`${show(written)} was asked for and not found, and nobody removed it`] : [];
}

/** `expiring`: offsets of changes whose entry expires. */
export function checkOutcomes(
  recorder: Recorder,
  log: readonly Sight[],
  expiring: ReadonlySet<number> = new Set(),
): readonly Violation[] {
  const keyed = new KeyedLog(log);
  const contents = new Set(log.map(({ content }) => content));
  const of = (guarantee: string, to: string, messages: readonly string[]) =>
    messages.map((message) => ({ guarantee, to, message }));
  return [
    ...recorder.applied.flatMap((each) => of('MergeExact', each.ack.writer, mergeViolations(each, keyed))),
    ...recorder.applied.flatMap((each) => of('ConditionHeld', each.ack.writer, conditionViolations(each, keyed))),
    ...recorder.removals.flatMap((each) => of('RemovalKept', each.writer, removalViolations(each, keyed))),
    ...recorder.shownReads.flatMap((each) => of('ReadReaches', each.reader, shownViolations(each, keyed, expiring))),
    ...recorder.refused
      .filter(({ content }) => contents.has(content))
      .map(({ code, content, writer }) => ({
        guarantee: 'RefusedIsNothing',
        to: writer,
        message: `${content} was answered ${code}, and is in the log`,
      })),
  ];
}

import { LatchkeyError } from '@latchkey/client';
import { type Change, type ChangeDraft, isLive, type Payload, type Timestamp } from '../shared/change.ts';
import { flatFields, refuseNotFlat } from '../shared/flat-object.ts';
import { payloadEquals, payloadToBytes, refuseValueSize } from '../shared/payload.ts';
import { refuse } from '../shared/refusal.ts';
import { formatMicros } from '../shared/timestamp.ts';
import type {
  ExpireCommand,
  KeyCommand,
  MergeCommand,
  ObserveCommand,
  PutCommand,
  Refusal,
  RemoveCommand,
  WriteOptions,
} from './command.ts';
import type { DecideContext, Decision, OutcomeDraft } from './decision.ts';
import { expiredDraft, isExpired } from './due.ts';
import { mergePatch } from './merge-patch.ts';

/** The key as the command finds it. */
interface Before {
  /** Its last change: the entry, a tombstone, or the `expired` remove that this very decision makes. */
  readonly last: Change | ChangeDraft | undefined;
  /** What a reader is served. */
  readonly live: Change | undefined;
  /** The entry, unless it was just found expired: no version that anybody can hold is as new as that. */
  readonly entry: Change | undefined;
}

/** What the command itself does, after an `expired` remove if there was one. */
interface Answer {
  readonly draft?: ChangeDraft;
  readonly outcome: OutcomeDraft;
}

const NOTHING: readonly ChangeDraft[] = [];
const EMPTY_OBJECT = /^\s*\{\s*\}\s*$/;
/** Made once: nearly every command ends so. */
const APPLIED: OutcomeDraft = { outcome: 'applied' };

/**
 * What becomes of a key by a command: the same for every log, from nothing but its arguments. `entry` is the key's last change,
 * tombstones included. The log gives the drafts their places (`placeChange`) and then finishes the outcome (`finishOutcome`).
 */
export function decide(entry: Change | undefined, command: KeyCommand, context: DecideContext): Decision {
  const refusal = refuseOutright(command, context);
  if (refusal !== undefined) return { drafts: NOTHING, outcome: refusal };
  if (entry !== undefined && isExpired(entry, context.now)) {
    const expired = expiredDraft(entry, context.now);
    const { draft, outcome } = answer({ last: expired, live: undefined, entry: undefined }, command, context);
    return { drafts: draft === undefined ? [expired] : [expired, draft], outcome };
  }
  const live = entry !== undefined && isLive(entry, context.now) ? entry : undefined;
  const { draft, outcome } = answer({ last: entry, live, entry }, command, context);
  return { drafts: draft === undefined ? NOTHING : [draft], outcome };
}

function answer(before: Before, command: KeyCommand, context: DecideContext): Answer {
  switch (command.op) {
    case 'put':
      return decidePut(before, command, context);
    case 'merge':
      return decideMerge(before, command, context);
    case 'remove':
      return decideRemove(before, command, context);
    case 'expire':
      return decideExpire(before, command, context);
    case 'observe':
      return decideObserve(before, command, context);
    case 'read':
      return { outcome: { outcome: 'value', entry: before.live } };
  }
}

function decidePut(before: Before, command: PutCommand, context: DecideContext): Answer {
  const { last, live } = before;
  if (isLate(last, command)) return { outcome: { outcome: 'late' } };
  if (isSameTime(last, command)) {
    if (isExpiredTombstone(last)) return duplicate(before, command);
    const isSameAs = command.as === undefined || asOf(before, command) === live?.as;
    if (
      command.recordEqual !== true &&
      isSameAs &&
      live?.value !== undefined &&
      payloadEquals(live.value, command.value)
    ) {
      return duplicate(before, command);
    }
  }
  if (!conditionsHold(before, command, context)) return conflict(before);
  const kept = command.keepExpiry === true ? live?.expires : undefined;
  const timed = command.ttlMicros === undefined ? kept : expiryAfter(command.ttlMicros, context);
  const expires = command.expires === undefined ? timed : expiryAt(command.expires, context);
  return written(before, command, context, command.value, asOf(before, command), command.valid, expires);
}

function decideMerge(before: Before, command: MergeCommand, context: DecideContext): Answer {
  const { last, live } = before;
  if (isLate(last, command)) return { outcome: { outcome: 'late' } };
  if (isSameTime(last, command) && isExpiredTombstone(last)) return duplicate(before, command);
  if (!conditionsHold(before, command, context)) return conflict(before);
  const current = live?.value?.kind === 'json' ? live.value : undefined;
  if (command.ifFlat === true && live !== undefined && !isFlat(current)) return conflict(before);
  const { ifNoMember } = command;
  if (ifNoMember !== undefined && flatFields(current?.data ?? '{}')?.has(ifNoMember) === true) return conflict(before);
  const data = merged(current?.data, command, context);
  if (typeof data !== 'string') return { outcome: data };
  if (command.removeEmpty === true && EMPTY_OBJECT.test(data)) {
    const { key, updated } = command;
    return decideRemove(before, { op: 'remove', key, ...(updated === undefined ? {} : { updated }) }, context);
  }
  const valid = command.valid ?? live?.valid;
  const isSameOtherwise = command.ttlMicros === undefined && valid?.micros === live?.valid?.micros;
  // A later `updated` is recorded even where the value stays: it is what makes the facts in between late.
  const isNews = last !== undefined && command.updated !== undefined && command.updated.micros > last.updated.micros;
  const isSameAs = command.as === undefined || asOf(before, command) === live?.as;
  const isEqual = isSameAs && current?.data === data && (isSameTime(last, command) || (isSameOtherwise && !isNews));
  if (isEqual && command.recordEqual !== true) return duplicate(before, command);
  const value: Payload = current === undefined ? { kind: 'json', data } : { ...current, data };
  const expires = command.ttlMicros === undefined ? live?.expires : expiryAfter(command.ttlMicros, context);
  const as = live === undefined && command.newAs !== undefined ? command.newAs : asOf(before, command);
  return written(before, command, context, value, as, valid, expires);
}

function decideRemove(before: Before, command: RemoveCommand, context: DecideContext): Answer {
  const { last } = before;
  if (isLate(last, command)) return { outcome: { outcome: 'late' } };
  // A tombstone is only ever replaced by a later one, also where late commands are accepted: it would protect less.
  const isOutdone =
    command.updated !== undefined && last !== undefined && command.updated.micros <= last.updated.micros;
  if (last?.op === 'remove' && isOutdone) return duplicate(before, command);
  if (command.ifVersion !== undefined && !conditionsHold(before, command, context)) return conflict(before);
  if (before.live === undefined && command.updated === undefined) return duplicate(before, command);
  return applied(before, command, {
    op: 'remove',
    key: command.key,
    value: undefined,
    as: undefined,
    reason: 'deleted',
    updated: updatedOf(last, command, context),
    valid: undefined,
    expires: undefined,
    decided: context.now,
    origin: context.origin,
  });
}

function decideExpire(before: Before, command: ExpireCommand, context: DecideContext): Answer {
  const { live } = before;
  const moment = command.expires ?? (command.ttlMicros === null ? undefined : context.now + command.ttlMicros);
  if (live === undefined || !mayMove(live.expires, moment, command)) return conflict(before);
  if (moment !== undefined && moment <= context.now)
    return decideRemove(before, { op: 'remove', key: live.key }, context);
  const expires = moment === undefined ? undefined : expiryAt(moment, context);
  if (expires === live.expires) return duplicate(before, {});
  return { draft: withExpiry(live, expires, context), outcome: { outcome: 'applied' } };
}

function mayMove(
  from: number | undefined,
  to: number | undefined,
  { ifMoves, ifTimed }: Pick<ExpireCommand, 'ifTimed' | 'ifMoves'>,
): boolean {
  if (ifTimed !== undefined && ifTimed !== (from !== undefined)) return false;
  if (ifMoves === undefined) return true;
  const [one, other] = [from ?? Number.POSITIVE_INFINITY, to ?? Number.POSITIVE_INFINITY];
  return ifMoves === 'later' ? other > one : other < one;
}

function decideObserve(before: Before, command: ObserveCommand, context: DecideContext): Answer {
  const { live } = before;
  const isGone = command.found === undefined || (command.expires !== undefined && command.expires <= context.now);
  if (command.found === undefined || isGone) return observedGone(before, command, context);
  if (live?.value === undefined || live.as !== command.as || !isSameFound(live.value, command)) {
    const { as, expires, found } = command;
    return applied(before, {}, writeDraft(before, command, context, found, as, undefined, expires));
  }
  // Where the key lives, its expiry is counted in milliseconds.
  if (millis(live.expires) === millis(command.expires)) return duplicate(before, {});
  return { draft: withExpiry(live, command.expires, context), outcome: { outcome: 'applied' } };
}

function observedGone(before: Before, command: ObserveCommand, context: DecideContext): Answer {
  const { live } = before;
  const { found, key } = command;
  // What was still there when it was read has passed its expiry since.
  const reason = found === undefined ? command.reason : 'expired';
  if (live === undefined || reason === undefined) return decideRemove(before, { op: 'remove', key }, context);
  return applied(before, {}, { ...expiredDraft(live, context.now), reason, origin: context.origin });
}

/** What no entry could change. */
function refuseOutright(command: KeyCommand, context: DecideContext): Refusal | undefined {
  if (command.op !== 'put' && command.op !== 'merge' && command.op !== 'remove') return undefined;
  const { maxFutureSkewMicros, now } = context;
  if (command.updated !== undefined && command.updated.micros > now + maxFutureSkewMicros) {
    const got = command.updated.text ?? formatMicros(command.updated.micros);
    const limit = maxFutureSkewMicros / 1000;
    const message =
      `"updated" is ${got}, but it is ${formatMicros(now)} here, and deciding.maxFutureSkew allows ${limit} ms ahead. ` +
      'Set the clock of the sender, or raise the setting.';
    return refuse('updated-in-future', message, 'updated', limit);
  }
  return command.op === 'put' ? refuseValueSize(command.value, context.valueBytesMax) : undefined;
}

function merged(current: string | undefined, command: MergeCommand, context: DecideContext): string | Refusal {
  try {
    const data = mergePatch(current, command.patch);
    return refuseValueSize({ kind: 'json', data }, context.valueBytesMax) ?? data;
  } catch (error) {
    if (!(error instanceof LatchkeyError)) throw error;
    return refuse(error.code, error.message, 'value');
  }
}

function isFlat(payload: Payload | undefined): boolean {
  return payload?.kind === 'json' && flatFields(payload.data) !== undefined;
}

function isLate(last: Before['last'], command: Pick<WriteOptions, 'updated' | 'acceptLate'>): boolean {
  if (command.updated === undefined || last === undefined || command.acceptLate === true) return false;
  return command.updated.micros < last.updated.micros;
}

function isSameTime(last: Before['last'], command: Pick<WriteOptions, 'updated'>): boolean {
  return command.updated !== undefined && last !== undefined && command.updated.micros === last.updated.micros;
}

function isExpiredTombstone(last: Before['last']): boolean {
  return last?.op === 'remove' && last.reason === 'expired';
}

function conditionsHold(
  { entry, live }: Before,
  command: Pick<WriteOptions, 'ifVersion' | 'ifAbsent' | 'ifPresent'>,
  context: DecideContext,
): boolean {
  if (command.ifAbsent === true && live !== undefined) return false;
  if (command.ifPresent === true && live === undefined) return false;
  const version = command.ifVersion;
  if (version === undefined) return true;
  if (entry === undefined || version.partition !== entry.partition) return false;
  return version.offset >= entry.valueOffset && context.holdsVersion(version);
}

/** A command without `updated` is as new as now, and never older than what it finds. */
function updatedOf(last: Before['last'], command: Pick<WriteOptions, 'updated'>, context: DecideContext): Timestamp {
  return command.updated ?? { micros: Math.max(context.now, last?.updated.micros ?? context.now) };
}

/** A key stays what it is until a command says otherwise. */
function asOf({ live }: Before, { as }: Pick<WriteOptions, 'as'>): Change['as'] {
  if (as === undefined) return live?.as;
  return as === 'hash' ? 'hash' : undefined;
}

function expiryAfter(ttlMicros: number, context: DecideContext): number {
  return expiryAt(context.now + ttlMicros, context);
}

function expiryAt(micros: number, { now }: DecideContext): number {
  return Math.min(Math.max(now + 1, Math.round(micros)), Number.MAX_SAFE_INTEGER);
}

function written(
  before: Before,
  command: PutCommand | MergeCommand,
  context: DecideContext,
  value: Payload,
  as: Change['as'],
  valid: Timestamp | undefined,
  expires: number | undefined,
): Answer {
  const refusal = as === 'hash' ? refuseNotFlat(value) : undefined;
  if (refusal !== undefined) return { outcome: refusal };
  return applied(before, command, writeDraft(before, command, context, value, as, valid, expires));
}

function writeDraft(
  { last }: Before,
  command: { readonly key: string; readonly updated?: Timestamp },
  context: DecideContext,
  value: Payload,
  as: Change['as'],
  valid: Timestamp | undefined,
  expires: number | undefined,
): ChangeDraft {
  return {
    op: 'put',
    key: command.key,
    value,
    as,
    reason: undefined,
    updated: updatedOf(last, command, context),
    valid,
    expires,
    decided: context.now,
    origin: context.origin,
  };
}

/** The same entry with another expiry. Its `updated` stays: it dates the value, and a newer one would make the next put late. */
function withExpiry(live: Change, expires: number | undefined, context: DecideContext): ChangeDraft {
  return {
    op: live.op,
    key: live.key,
    value: live.value,
    as: live.as,
    reason: undefined,
    updated: live.updated,
    valid: live.valid,
    expires,
    decided: context.now,
    origin: context.origin,
  };
}

function applied(before: Before, command: Pick<WriteOptions, 'returnPrevious'>, draft: ChangeDraft): Answer {
  const { live } = before;
  if (command.returnPrevious !== true) return { draft, outcome: APPLIED };
  return { draft, outcome: { outcome: 'applied', previous: live ?? null } };
}

function duplicate({ live }: Before, command: Pick<WriteOptions, 'returnPrevious'>): Answer {
  if (command.returnPrevious !== true) return { outcome: { outcome: 'duplicate' } };
  return { outcome: { outcome: 'duplicate', previous: live ?? null } };
}

function conflict({ live }: Before): Answer {
  return { outcome: { outcome: 'conflict', entry: live } };
}

/** What a source found has no content type of its own, so bytes are compared; a hash is the same in any order of its fields. */
function isSameFound(one: Payload, { as, found }: ObserveCommand): boolean {
  const other = found as Payload;
  if (one.kind === 'binary' || other.kind === 'binary') return payloadToBytes(one).equals(payloadToBytes(other));
  if (one.data === other.data) return true;
  return as === 'hash' && one.kind === 'json' && other.kind === 'json' && isSameFields(one.data, other.data);
}

function isSameFields(one: string, other: string): boolean {
  const fields = flatFields(one);
  const others = flatFields(other);
  if (fields === undefined || others === undefined || fields.size !== others.size) return false;
  return [...fields].every(([name, value]) => others.get(name) === value);
}

function millis(micros: number | undefined): number | undefined {
  return micros === undefined ? undefined : Math.floor(micros / 1000);
}

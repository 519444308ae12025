import { formatPosition, formatVersion, LatchkeyError, quote } from '@latchkey/client';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type {
  Command,
  KeyCommand,
  MergeCommand,
  Outcome,
  PutCommand,
  Refusal,
  RemoveCommand,
} from '../commands/command.ts';
import type { Batch, Settled } from '../log/log.ts';
import { isLive, type Timestamp } from '../shared/change.ts';
import { refuseKey } from '../shared/key.ts';
import { payloadFromBody } from '../shared/payload.ts';
import { isRefusal, refuse } from '../shared/refusal.ts';
import { parseTimestamp } from '../shared/timestamp.ts';
import { ttlMicros } from '../shared/ttl.ts';
import type { Core } from './gateway.ts';
import { JSON_TYPE, sendError } from './http-error.ts';
import { entryText, outcomeJson, refusalError } from './outcome-json.ts';
import { originOf, principalOf } from './principal.ts';
import { type Precondition, preconditionOf } from './rest-conditions.ts';
import { bodyOf, headerOf, keyOf, type Query, queryOf } from './rest-request.ts';

export const WRITE_PARAMETERS = ['ttl', 'updated', 'valid'] as const;
export const REMOVE_PARAMETERS = ['updated'] as const;

const IDEMPOTENCY_KEY_BYTES_MAX = 200;

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

/** `PUT /v1/keys/{key}`: the body is the value as it is. */
export async function putKey(core: Core, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const key = keyOf(request, core.settings.limits.keyBytesMax);
  const query = queryOf(request, WRITE_PARAMETERS);
  const value = payloadFromBody(bodyOf(request), headerOf(request, 'content-type'));
  if (isRefusal(value)) throw refusalError(value);
  const command: Mutable<PutCommand> = { op: 'put', key, value };
  return writeKey(core, request, reply, command, query);
}

/** `PATCH /v1/keys/{key}`: the body is a JSON merge patch (RFC 7386). */
export async function patchKey(core: Core, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const key = keyOf(request, core.settings.limits.keyBytesMax);
  const query = queryOf(request, WRITE_PARAMETERS);
  const patch = payloadFromBody(bodyOf(request), 'application/json');
  if (isRefusal(patch)) throw refusalError(patch);
  const text = patch.data as string;
  if (!/^\s*\{/.test(text)) {
    const message = `A merge patch is a JSON object, but the body is ${quote(text)}; PUT replaces the whole value.`;
    throw new LatchkeyError('not-an-object', message, { field: 'value' });
  }
  const command: Mutable<MergeCommand> = { op: 'merge', key, patch: text };
  return writeKey(core, request, reply, command, query);
}

/** `DELETE /v1/keys/{key}`. */
export async function removeKey(core: Core, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const key = keyOf(request, core.settings.limits.keyBytesMax);
  const query = queryOf(request, REMOVE_PARAMETERS);
  const command: Mutable<RemoveCommand> = { op: 'remove', key };
  const updated = timestampOf(query, 'updated');
  if (updated !== undefined) command.updated = updated;
  const idempotencyKey = idempotencyKeyOf(request);
  if (idempotencyKey !== undefined) command.idempotencyKey = idempotencyKey;
  const precondition = preconditionOf(request, key, core.log.view);
  if (precondition.kind === 'version') command.ifVersion = precondition.version;
  if (!isPossible(core, key, precondition)) return answerConflict(core, reply, key);
  return answerOutcome(core, reply, await submitOne(core, request, command), false);
}

async function writeKey(
  core: Core,
  request: FastifyRequest,
  reply: FastifyReply,
  command: Mutable<PutCommand> | Mutable<MergeCommand>,
  query: Query,
): Promise<FastifyReply> {
  const updated = timestampOf(query, 'updated');
  if (updated !== undefined) command.updated = updated;
  const valid = timestampOf(query, 'valid');
  if (valid !== undefined) command.valid = valid;
  const ttl = query.get('ttl');
  if (ttl !== undefined) command.ttlMicros = orThrow(ttlMicros(ttl));
  const idempotencyKey = idempotencyKeyOf(request);
  if (idempotencyKey !== undefined) command.idempotencyKey = idempotencyKey;
  const precondition = preconditionOf(request, command.key, core.log.view);
  if (precondition.kind === 'version') command.ifVersion = precondition.version;
  if (precondition.kind === 'present') command.ifPresent = true;
  if (precondition.kind === 'absent') command.ifAbsent = true;
  if (precondition.kind === 'impossible') return answerConflict(core, reply, command.key);
  return answerOutcome(core, reply, await submitOne(core, request, command), command.op === 'put');
}

/** Sends commands of one request to the log. @throws LatchkeyError as `Log.submit` */
export function submit(
  core: Core,
  request: FastifyRequest,
  commands: readonly (Command | Refusal)[],
  more: Pick<Batch, 'atomic' | 'progress' | 'deadLetters'> = {},
): Promise<Settled> {
  return core.log.submit({ commands, principal: principalOf(request), origin: originOf(request.raw.socket), ...more });
}

async function submitOne(core: Core, request: FastifyRequest, command: KeyCommand): Promise<Settled> {
  return await submit(core, request, [command]);
}

/** The only command of a request: its outcome decides the status. */
export function answerOutcome(core: Core, reply: FastifyReply, settled: Settled, hasEtag: boolean): FastifyReply {
  const outcome = settled.outcomes[0] as Outcome;
  const { view } = core.log;
  reply.header('latchkey-position', formatPosition(settled.position)).header('cache-control', 'no-cache');
  if (outcome.outcome === 'refused') return sendError(reply, refusalError(outcome));
  if (outcome.outcome === 'conflict') return sendConflict(reply, outcomeJson(outcome, view));
  if ('version' in outcome && outcome.version !== undefined) {
    const version = formatVersion(outcome.version, view.partitions);
    reply.header('latchkey-version', version);
    if (hasEtag && outcome.outcome !== 'late') reply.header('etag', `"${version}"`);
  }
  return reply.header('content-type', JSON_TYPE).send(outcomeJson(outcome, view));
}

// DELETE has no `ifPresent`: an absent key is answered here, and one that goes meanwhile is a duplicate, which is no harm.
function isPossible({ log: { view } }: Core, key: string, precondition: Precondition): boolean {
  if (precondition.kind === 'impossible') return false;
  if (precondition.kind !== 'present' && precondition.kind !== 'absent') return true;
  const entry = view.get(key);
  const isThere = entry !== undefined && isLive(entry, view.nowMicros());
  return isThere === (precondition.kind === 'present');
}

function answerConflict({ log: { view } }: Core, reply: FastifyReply, key: string): FastifyReply {
  const entry = view.get(key);
  const live = entry !== undefined && isLive(entry, view.nowMicros()) ? entry : undefined;
  reply.header('latchkey-position', formatPosition(view.position()));
  return sendConflict(reply, `{"outcome":"conflict","entry":${entryText(live, view)}}`);
}

/** Both the error and the outcome: a client may look for either. */
function sendConflict(reply: FastifyReply, outcome: string): FastifyReply {
  const message = 'The condition of If-Match or If-None-Match does not hold; "entry" is what is there.';
  return sendError(reply, new LatchkeyError('conflict', message), outcome.slice(1, -1));
}

/** `Idempotency-Key`. @throws LatchkeyError `invalid-request` */
export function idempotencyKeyOf(request: FastifyRequest): string | undefined {
  const text = headerOf(request, 'idempotency-key');
  if (text === undefined) return undefined;
  if (refuseKey(text, IDEMPOTENCY_KEY_BYTES_MAX) === undefined) return text;
  const message = `Idempotency-Key takes 1 to ${IDEMPOTENCY_KEY_BYTES_MAX} bytes without control characters, but got ${quote(text)}.`;
  throw new LatchkeyError('invalid-request', message, { field: 'idempotency-key', limit: IDEMPOTENCY_KEY_BYTES_MAX });
}

// In a query `+` is a space, and senders forget to encode the one of a zone.
const SPACE_BEFORE_ZONE = / (?=\d\d:?\d\d$)/;

function timestampOf(query: Query, name: 'updated' | 'valid'): Timestamp | undefined {
  const text = query.get(name);
  if (text === undefined) return undefined;
  const timestamp = parseTimestamp(text) ?? parseTimestamp(text.replace(SPACE_BEFORE_ZONE, '+'));
  if (timestamp !== undefined) return timestamp;
  const message = `${name} takes a time like 2026-11-20T12:00:00Z, but got ${quote(text)}.`;
  throw refusalError(refuse('updated-invalid', message, name));
}

function orThrow<T extends number>(value: T | Refusal): T {
  if (typeof value === 'object') throw refusalError(value);
  return value;
}

import { formatPosition, LatchkeyError, quote } from '@latchkey/client';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Command, Refusal } from '../commands/command.ts';
import type { ProgressStep } from '../log/log.ts';
import { refuseKey } from '../shared/key.ts';
import type { Core } from './gateway.ts';
import { JSON_TYPE } from './http-error.ts';
import { refusalError } from './outcome-json.ts';
import { outcomesBody } from './outcomes-body.ts';
import { bodyOf, flagOf, headerOf, queryOf } from './rest-request.ts';
import { idempotencyKeyOf, submit } from './rest-write.ts';

export const COMMANDS_PARAMETERS = ['atomic'] as const;
export const NDJSON_TYPE = 'application/x-ndjson; charset=utf-8';

const NAME_BYTES_MAX = 255;

/** `POST /v1/commands`: outcomes in the order and the form of the commands. Single refusals are outcomes; the status is `200`. */
export async function postCommands(core: Core, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const query = queryOf(request, COMMANDS_PARAMETERS);
  const atomic = flagOf(query, 'atomic');
  const progress = progressOf(request);
  const decoded = core.formats.command.decodeBody(bodyOf(request), headerOf(request, 'content-type'));
  if (!('form' in decoded)) throw refusalError(decoded);
  const key = idempotencyKeyOf(request);
  const commands =
    key === undefined
      ? decoded.commands
      : decoded.commands.map((command, index) => withKey(command, `${key}#${index}`));
  const more = { ...(atomic ? { atomic } : {}), ...(progress === undefined ? {} : { progress }) };
  const { outcomes, position } = await submit(core, request, commands, more);
  return reply
    .header('content-type', decoded.form === 'ndjson' ? NDJSON_TYPE : JSON_TYPE)
    .header('cache-control', 'no-cache')
    .header('latchkey-position', formatPosition(position))
    .send(outcomesBody(outcomes, core.log.view, decoded.form));
}

/** One header stands for every command of the batch; a command's own key goes before it. A read is repeated without harm. */
function withKey(command: Command | Refusal, idempotencyKey: string): Command | Refusal {
  if ('outcome' in command || command.op === 'read' || command.idempotencyKey !== undefined) return command;
  return { ...command, idempotencyKey };
}

/**
 * `Latchkey-Source: name/partition` with `Latchkey-Expected-Offset` (absent: the source has never been here) and
 * `Latchkey-Next-Offset`. @throws LatchkeyError `invalid-request`
 */
export function progressOf(request: FastifyRequest): ProgressStep | undefined {
  const source = headerOf(request, 'latchkey-source');
  const expected = headerOf(request, 'latchkey-expected-offset');
  const next = headerOf(request, 'latchkey-next-offset');
  if (source === undefined) {
    if (expected === undefined && next === undefined) return undefined;
    throw invalid(
      'latchkey-source',
      'Latchkey-Expected-Offset and Latchkey-Next-Offset need Latchkey-Source: name/partition.',
    );
  }
  const slash = source.lastIndexOf('/');
  if (slash <= 0 || slash === source.length - 1 || refuseKey(source, NAME_BYTES_MAX) !== undefined) {
    throw invalid('latchkey-source', `Latchkey-Source takes name/partition, but got ${quote(source)}.`);
  }
  if (next === undefined || refuseKey(next, NAME_BYTES_MAX) !== undefined) {
    throw invalid(
      'latchkey-next-offset',
      'Latchkey-Source needs Latchkey-Next-Offset: where the source is after this batch.',
    );
  }
  if (expected !== undefined && refuseKey(expected, NAME_BYTES_MAX) !== undefined) {
    throw invalid(
      'latchkey-expected-offset',
      'Latchkey-Expected-Offset is empty; leave it out where the source has never been here.',
    );
  }
  return { source: source.slice(0, slash), sourcePartition: source.slice(slash + 1), expected: expected ?? null, next };
}

function invalid(field: string, message: string): LatchkeyError {
  return new LatchkeyError('invalid-request', message, { field });
}

import { isUtf8 } from 'node:buffer';
import type { ObserveCommand } from '../../commands/command.ts';
import type { Payload } from '../../shared/change.ts';
import { flatFields } from '../../shared/flat-object.ts';
import { checkJson } from '../../shared/json-grammar.ts';
import { payloadFromBody, payloadToBytes } from '../../shared/payload.ts';
import { isRefusal } from '../../shared/refusal.ts';
import type { Found } from './redis-store.ts';

/** What a string of a Redis is as a value: JSON where it is that, else text, else bytes. */
export function valueOfString(data: Buffer): Payload {
  const payload = payloadFromBody(data, undefined);
  return isRefusal(payload) ? { kind: 'binary', data, contentType: 'application/octet-stream' } : payload;
}

/**
 * The JSON object that a hash is: a field that holds a JSON number, `true`, `false` or `null` is that, every other one a text. Fields
 * stand in the order of their names, for a Redis promises none.
 */
export function valueOfHash(fields: readonly (readonly [field: Buffer, value: Buffer])[]): Payload {
  const members = fields
    .map(([field, value]) => [textOf(field), scalarOf(textOf(value))] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([field, value]) => `${JSON.stringify(field)}:${value}`);
  return { kind: 'json', data: `{${members.join(',')}}` };
}

/** What was found, as the log is told of it. Something that no value can be made of is as good as gone. */
export function observationOf(key: string, found: Found): ObserveCommand {
  const expires = 'expires' in found && found.expires !== undefined ? { expires: found.expires } : {};
  if (found.kind === 'string')
    return { op: 'observe', key, found: valueOfString(found.data), isAtHome: true, ...expires };
  if (found.kind === 'hash')
    return { op: 'observe', key, found: valueOfHash(found.fields), as: 'hash', isAtHome: true, ...expires };
  return { op: 'observe', key, found: undefined, isAtHome: true };
}

/** What lies there if it is as the command says. */
export function foundOf({ as, expires, found }: ObserveCommand): Found {
  if (found === undefined) return { kind: 'absent' };
  const fields = as === 'hash' && found.kind === 'json' ? flatFields(found.data) : undefined;
  if (fields === undefined) return { kind: 'string', data: payloadToBytes(found), expires };
  const pairs = [...fields].map(([field, value]) => [Buffer.from(field), Buffer.from(value)] as const);
  return { kind: 'hash', fields: pairs, expires };
}

function textOf(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString() : bytes.toString('latin1');
}

const SCALAR = /^(?:-?[0-9]|true$|false$|null$)/;

function scalarOf(text: string): string {
  return SCALAR.test(text) && checkJson(text) === undefined ? text : JSON.stringify(text);
}

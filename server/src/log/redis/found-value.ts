import type { ObserveCommand } from '../../commands/command.ts';
import type { Payload } from '../../shared/change.ts';
import { flatFields } from '../../shared/flat-object.ts';
import { payloadToBytes } from '../../shared/payload.ts';
import { payloadOfHash, payloadOfString } from '../../shared/redis/plain-value.ts';
import type { Found } from './redis-store.ts';

/**
 * What was found, as the log is told of it. `before`: the value that the key has in the log; what it says of the same bytes is kept.
 * Something that no value can be made of is as good as gone.
 */
export function observationOf(key: string, found: Found, before: Payload | undefined): ObserveCommand {
  const observed = { op: 'observe', key, isAtHome: true } as const;
  const expires = 'expires' in found && found.expires !== undefined ? { expires: found.expires } : {};
  if (found.kind === 'string') return { ...observed, found: payloadOfString(found.data, before), ...expires };
  const value = found.kind === 'hash' ? payloadOfHash(found.fields, before) : undefined;
  if (value === undefined) return { ...observed, found: undefined };
  return { ...observed, found: value, as: 'hash', ...expires };
}

/** What lies there if it is as the command says. */
export function foundOf({ as, expires, found }: ObserveCommand): Found {
  if (found === undefined) return { kind: 'absent' };
  const fields = as === 'hash' && found.kind === 'json' ? flatFields(found.data) : undefined;
  if (fields === undefined) return { kind: 'string', data: payloadToBytes(found), expires };
  const pairs = [...fields].map(([field, value]) => [Buffer.from(field), Buffer.from(value)] as const);
  return { kind: 'hash', fields: pairs, expires };
}

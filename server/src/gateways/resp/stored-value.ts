import { type Change, isLive } from '../../shared/change.ts';
import { flatFields } from '../../shared/flat-object.ts';

/** `hash` where it is kept as one; a JSON object that was written as a whole is a string whose fields can be read too. */
export function typeOf(entry: Change): 'hash' | 'string' {
  return entry.as === 'hash' ? 'hash' : 'string';
}

/** Undefined where it is no flat JSON object. */
export function fieldsOf(entry: Change): Map<string, string> | undefined {
  return entry.value?.kind === 'json' ? flatFields(entry.value.data) : undefined;
}

export function liveOf(entry: Change | undefined, nowMicros: number): Change | undefined {
  return entry !== undefined && isLive(entry, nowMicros) ? entry : undefined;
}

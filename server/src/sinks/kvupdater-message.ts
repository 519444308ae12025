import type { Change, Timestamp } from '../shared/change.ts';
import { isObjectAt, jsonMembers, jsonValueEnd } from '../shared/json-members.ts';
import { payloadToJsonText } from '../shared/payload.ts';
import { formatMicros } from '../shared/timestamp.ts';

const STORED_NAMES = 'updated,valid,values';

/**
 * The KVUpdater message that makes this entry: what the format `kvupdater` stored, with the type before it. An entry of another
 * origin is its `values`.
 */
export function kvupdaterMessage({ key, updated, valid, value }: Change): string {
  const type = JSON.stringify(key);
  if (value === undefined) return `{"type":${type},"updated":${momentJson(updated)},"valid":null,"values":null}`;
  if (value.kind === 'json' && isStored(value.data)) return `{"type":${type},${value.data.slice(1)}`;
  const validJson = valid === undefined ? 'null' : momentJson(valid);
  return `{"type":${type},"updated":${momentJson(updated)},"valid":${validJson},"values":${payloadToJsonText(value).json}}`;
}

function isStored(text: string): boolean {
  if (!isObjectAt(text, 0)) return false;
  const { members } = jsonMembers(text, 0, (_name, valueStart) => jsonValueEnd(text, valueStart));
  return members.map(({ name }) => name).join() === STORED_NAMES;
}

function momentJson({ micros, text }: Timestamp): string {
  return text === undefined ? `"${formatMicros(micros)}"` : JSON.stringify(text);
}

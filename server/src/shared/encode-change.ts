import type { Change, Timestamp } from './change.ts';
import { isStale } from './change.ts';
import type { EpochTable } from './epochs.ts';
import { payloadToJsonText } from './payload.ts';
import { formatMicros } from './timestamp.ts';

export interface EntryJsonOptions {
  /** Default true. Without values their content type and encoding are left out too. */
  readonly withValues?: boolean;
}

/**
 * A change as watches deliver it, on one line: `{"op","key","value","version","reason","updated","valid","expires",
 * "contentType","encoding"}`; absent fields are left out. JSON values keep their text.
 */
export function changeJson(change: Change, epochs: EpochTable, withValues: boolean): string {
  let tail = '';
  let json = `{"op":"${change.op}","key":${JSON.stringify(change.key)}`;
  const payload = withValues ? change.value : undefined;
  if (payload !== undefined) {
    const value = payloadToJsonText(payload);
    json += `,"value":${value.json}`;
    tail = valueTail(value);
  }
  json += `,"version":"${epochs.versionText(change)}"`;
  if (change.reason !== undefined) json += `,"reason":"${change.reason}"`;
  return `${json}${times(change)}${tail}}`;
}

/**
 * An entry as reads answer it, on one line: `{"key","value","version","updated","valid","expires","stale","origin",
 * "contentType","encoding"}`; absent fields are left out, and `stale` where it is false. `nowMicros` is the log's now.
 */
export function entryJson(
  entry: Change,
  epochs: EpochTable,
  nowMicros: number,
  { withValues = true }: EntryJsonOptions = {},
): string {
  let tail = '';
  let json = `{"key":${JSON.stringify(entry.key)}`;
  const payload = withValues ? entry.value : undefined;
  if (payload !== undefined) {
    const value = payloadToJsonText(payload);
    json += `,"value":${value.json}`;
    tail = valueTail(value);
  }
  json += `,"version":"${epochs.versionText(entry)}"${times(entry)}`;
  if (isStale(entry, nowMicros)) json += ',"stale":true';
  if (entry.origin !== undefined) json += `,"origin":${JSON.stringify(entry.origin)}`;
  return `${json}${tail}}`;
}

function times(change: Change): string {
  let json = `,"updated":${momentJson(change.updated)}`;
  if (change.valid !== undefined) json += `,"valid":${momentJson(change.valid)}`;
  if (change.expires !== undefined) json += `,"expires":"${formatMicros(change.expires)}"`;
  return json;
}

// The sender's own text, which JSON may have to escape: it is foreign.
function momentJson(moment: Timestamp): string {
  return moment.text === undefined ? `"${formatMicros(moment.micros)}"` : JSON.stringify(moment.text);
}

function valueTail(value: { readonly contentType?: string; readonly encoding?: 'base64' }): string {
  let json = value.contentType === undefined ? '' : `,"contentType":${JSON.stringify(value.contentType)}`;
  if (value.encoding !== undefined) json += `,"encoding":"${value.encoding}"`;
  return json;
}

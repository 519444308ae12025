import type { Command, Outcome, Refusal } from '../commands/command.ts';
import { payloadToJsonText } from '../shared/payload.ts';
import { refuse } from '../shared/refusal.ts';
import type { CacheEvent } from './cache-event.ts';

/**
 * The JSON text that answers one event. `outcomes` are those of its commands, in order; `position` is where they can be read.
 *
 * - SET: `{"event":"SET","keys":[…],"position":"…"}`, the keys that hold what was sent;
 * - GET of one key: `{"event":"GET","key":"a","found":true,"value":…}`, of a list: `{"event":"GET","entries":[{"key",…},…]}`;
 * - DELETE and DELETE_PATTERN: `{"event":"DELETE","removed":1,"keys":["a"],"position":"…"}`, with `"truncated":true` where not
 *   every key is listed; a dry run has `"dryRun":true` and the keys that would go.
 *
 * What could not be done is listed in `"refused"`; an event that could not be read at all is `{"error":{…}}`.
 */
export function cacheEventAnswer(event: CacheEvent | Refusal, outcomes: readonly Outcome[], position: string): string {
  if ('outcome' in event) return `{"error":${refusalJson(event)}}`;
  const refused = event.commands.flatMap((command, index) => refusedJson(command, outcomes[index]));
  const fields = [`"event":"${event.type}"`];
  if (event.type === 'GET') fields.push(getJson(event, outcomes));
  else
    fields.push(
      event.type === 'SET' ? `"keys":${JSON.stringify(keptKeys(event, outcomes))}` : removedJson(event, outcomes),
    );
  if (event.type !== 'GET') fields.push(`"position":${JSON.stringify(position)}`);
  if (refused.length > 0) fields.push(`"refused":[${refused.join(',')}]`);
  return `{${fields.join(',')}}`;
}

function keptKeys(event: CacheEvent, outcomes: readonly Outcome[]): readonly string[] {
  const kept = new Set<string>();
  for (const [index, command] of event.commands.entries()) {
    const told = outcomes[index]?.outcome;
    if ((told === 'applied' || told === 'duplicate') && 'key' in command) kept.add(command.key);
  }
  return [...kept];
}

function getJson(event: CacheEvent, outcomes: readonly Outcome[]): string {
  const entries = event.commands.flatMap((command, index) => {
    const outcome = outcomes[index];
    if (!('key' in command) || outcome === undefined || !('entry' in outcome)) return [];
    const value = outcome.entry?.value;
    const key = `"key":${JSON.stringify(command.key)}`;
    if (value === undefined) return [`${key},"found":false,"value":null`];
    const { json, contentType, encoding } = payloadToJsonText(value);
    const type = contentType === undefined ? '' : `,"contentType":${JSON.stringify(contentType)}`;
    return [`${key},"found":true,"value":${json}${type}${encoding === undefined ? '' : `,"encoding":"${encoding}"`}`];
  });
  const single = event.isSingle ? entries[0] : undefined;
  return single ?? `"entries":[${entries.map((entry) => `{${entry}}`).join(',')}]`;
}

function removedJson(event: CacheEvent, outcomes: readonly Outcome[]): string {
  const keys = new Set<string>();
  let removed = 0;
  let isTruncated = false;
  for (const [index, command] of event.commands.entries()) {
    const outcome = outcomes[index];
    if (outcome === undefined) continue;
    if ('keys' in outcome) {
      for (const key of outcome.keys) keys.add(key);
      isTruncated ||= outcome.truncated;
      if ('removed' in outcome) removed += outcome.removed;
    } else if (outcome.outcome === 'applied' && 'key' in command) {
      keys.add(command.key);
      removed += 1;
    }
  }
  const head = event.isDryRun ? '"dryRun":true' : `"removed":${removed}`;
  return `${head},"keys":${JSON.stringify([...keys])}${isTruncated ? ',"truncated":true' : ''}`;
}

function refusedJson(command: Command | Refusal, outcome: Outcome | undefined): string[] {
  const key = 'key' in command ? command.key : undefined;
  const told = outcome ?? ('outcome' in command ? command : undefined);
  if (told?.outcome === 'refused') return [refusalJson(told, key)];
  if (told?.outcome === 'late' || told?.outcome === 'conflict') {
    return [refusalJson(refuse('conflict', 'The entry is newer than this event.'), key)];
  }
  return [];
}

function refusalJson({ code, message, field, limit }: Refusal, key?: string): string {
  return JSON.stringify({
    ...(key === undefined ? {} : { key }),
    code,
    message,
    ...(field === undefined ? {} : { field }),
    ...(limit === undefined ? {} : { limit }),
  });
}

import { type Filter, LatchkeyError, type Position, parsePosition, quote } from '@latchkey/client';
import { checkJson, describeFault } from '../shared/json-grammar.ts';
import { textOf } from '../shared/payload.ts';

/** What a client asked to watch, before the feed looked at its keys and patterns. */
export interface WatchQuery {
  readonly filter: Filter;
  readonly from: 'start' | 'now' | Position;
  readonly withValues: boolean;
}

const LISTS = ['keys', 'prefixes', 'patterns'] as const;
const PARAMETERS = { key: 'keys', prefix: 'prefixes', pattern: 'patterns' } as const;

/**
 * `key`, `prefix` and `pattern`, each as often as needed, `from` and `values`. `lastEventId` wins over `from`: it is what an
 * EventSource sends when it comes back to the URL it started with.
 * @throws LatchkeyError `unknown-field`, `invalid-request`, `invalid-utf8`, `position-invalid`
 */
export function watchQueryOf(url: string, lastEventId: string | undefined): WatchQuery {
  const mark = url.indexOf('?');
  const text = mark < 0 ? '' : url.slice(mark + 1);
  checkEncoding(text);
  const lists = { keys: [] as string[], prefixes: [] as string[], patterns: [] as string[] };
  const single = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(text)) {
    if (Object.hasOwn(PARAMETERS, name)) lists[PARAMETERS[name as keyof typeof PARAMETERS]].push(value);
    else if (name !== 'from' && name !== 'values') throw unknownField(name, 'key, prefix, pattern, from and values');
    else if (single.has(name)) throw refused(name, `${name} is given more than once; give it once.`);
    else single.set(name, value);
  }
  const from = fromOf(single.get('from'));
  return {
    filter: filterOfLists(lists),
    from: resumeOf(lastEventId) ?? from,
    withValues: flagOf(single.get('values')),
  };
}

/**
 * `{"keys","prefixes","patterns","from","values"}`; an empty body is `{}`, which watches every key.
 * @throws LatchkeyError as `watchQueryOf`, `invalid-json` and `invalid-utf8`
 */
export function watchBodyOf(body: Buffer, lastEventId: string | undefined): WatchQuery {
  const value: unknown = body.length === 0 ? {} : parsed(body);
  const { from, values, ...filter } = objectOf(value, 'the body');
  return {
    filter: filterOf(filter, 'keys, prefixes, patterns, from and values'),
    ...modeOf(from, values),
    ...resumed(lastEventId),
  };
}

// Checked first: what is nested deep enough brings down whatever walks it later, and a message must not carry garbage.
function parsed(body: Buffer): unknown {
  const text = textOf(body);
  if (text === undefined) throw new LatchkeyError('invalid-utf8', 'The filter is not UTF-8; send it in UTF-8.');
  const fault = checkJson(text);
  if (fault === undefined) return JSON.parse(text);
  throw new LatchkeyError('invalid-json', `The filter is not JSON: ${describeFault(text, fault)}.`);
}

/** `from` and `values` of a JSON body or frame. @throws LatchkeyError `position-invalid`, `invalid-request` */
export function modeOf(from: unknown, values: unknown): Pick<WatchQuery, 'from' | 'withValues'> {
  if (from !== undefined && typeof from !== 'string')
    throw refused('from', `from takes a string, but got ${quote(from)}.`);
  if (values !== undefined && typeof values !== 'boolean') {
    throw refused('values', `values takes true or false, but got ${quote(values)}.`);
  }
  return { from: fromOf(from), withValues: values ?? true };
}

/** A filter as JSON; absent means every key. `takes` names the fields for the message. @throws LatchkeyError */
export function filterOf(value: unknown, takes = 'keys, prefixes and patterns'): Filter {
  const lists: Partial<Record<(typeof LISTS)[number], readonly string[]>> = {};
  for (const [name, list] of Object.entries(objectOf(value ?? {}, 'filter'))) {
    if (!(LISTS as readonly string[]).includes(name)) throw unknownField(name, takes);
    if (!Array.isArray(list) || list.some((each) => typeof each !== 'string')) {
      throw refused(name, `${name} takes an array of strings, but got ${quote(list)}.`);
    }
    lists[name as (typeof LISTS)[number]] = list as string[];
  }
  return filterOfLists(lists);
}

function filterOfLists(lists: Partial<Record<(typeof LISTS)[number], readonly string[]>>): Filter {
  return Object.fromEntries(LISTS.flatMap((name) => (lists[name]?.length ? [[name, lists[name]]] : [])));
}

function fromOf(text: string | undefined): WatchQuery['from'] {
  if (text === undefined || text === 'start') return 'start';
  return text === 'now' ? 'now' : parsePosition(text);
}

// An EventSource that has seen no id yet sends the header empty, or not at all.
function resumeOf(lastEventId: string | undefined): Position | undefined {
  return lastEventId === undefined || lastEventId === '' ? undefined : parsePosition(lastEventId, 'last-event-id');
}

function resumed(lastEventId: string | undefined): { from?: Position } {
  const position = resumeOf(lastEventId);
  return position === undefined ? {} : { from: position };
}

function flagOf(text: string | undefined): boolean {
  if (text === undefined || text === 'true') return true;
  if (text === 'false') return false;
  throw refused('values', `values takes true or false, but got ${quote(text)}.`);
}

function objectOf(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw refused(name, `${name} takes a JSON object such as {"prefixes":["sensor."]}, but got ${quote(value)}.`);
}

// URLSearchParams would put a replacement character where bytes are no UTF-8, and the watch would wait for ever.
function checkEncoding(text: string): void {
  try {
    decodeURIComponent(text);
  } catch (cause) {
    throw new LatchkeyError('invalid-utf8', 'The query is not percent-encoded UTF-8; encode % itself as %25.', {
      cause,
    });
  }
}

function unknownField(name: string, takes: string): LatchkeyError {
  return new LatchkeyError('unknown-field', `A watch has no field ${quote(name)}; it takes ${takes}.`, { field: name });
}

function refused(field: string, message: string): LatchkeyError {
  return new LatchkeyError('invalid-request', message, { field });
}

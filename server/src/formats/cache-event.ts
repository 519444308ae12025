import type { Command, Outcome, Refusal } from '../commands/command.ts';
import type { EventFormat } from '../gateways/gateway.ts';
import { nameValue, refuse } from '../shared/refusal.ts';
import { secondsOf, TTL_SECONDS_MAX } from '../shared/ttl.ts';
import { cacheEventAnswer } from './cache-event-answer.ts';
import { CacheEventData } from './cache-event-data.ts';
import {
  excerptAt,
  findMember,
  isFault,
  type JsonMember,
  kindAt,
  scanElements,
  scanMembers,
  stringAt,
} from './json-text.ts';
import { type FormatLimits, messageText, refuseText } from './message-text.ts';

export const CACHE_EVENT_TYPES = ['SET', 'GET', 'DELETE', 'DELETE_PATTERN'] as const;
export type CacheEventType = (typeof CACHE_EVENT_TYPES)[number];

/** One event and the commands it stands for, in the order of its data; a refusal keeps its place. */
export interface CacheEvent {
  readonly type: CacheEventType;
  readonly commands: readonly (Command | Refusal)[];
  /** It named exactly one thing, not a list: a GET is then answered with the value itself. */
  readonly isSingle: boolean;
  readonly isDryRun: boolean;
}

/** The events of a body: one object, or an array of them. The answer takes the same form. */
export interface CacheEvents {
  readonly form: 'object' | 'array';
  readonly events: readonly (CacheEvent | Refusal)[];
}

const SHAPE = 'an event like {"key":"SET","value":{"data":…,"ttl":60}}';

/** The format `cache-event`: `{"key":"SET"|"GET"|"DELETE"|"DELETE_PATTERN","value":{"data":…,"ttl":seconds}}`, one or an array. */
export function cacheEventFormat(limits: FormatLimits): EventFormat {
  return {
    kind: 'cache-event',
    decode(message) {
      const decoded = decodeCacheEvents(message.body, limits);
      return 'outcome' in decoded ? [decoded] : decoded.events.flatMap(commandsOf);
    },
    decodeEvents(message) {
      const decoded = decodeCacheEvents(message.body, limits);
      if ('outcome' in decoded) return decoded;
      const events = decoded.events.map((event) => ({
        commands: commandsOf(event),
        answer: (outcomes: readonly Outcome[], position: string) => cacheEventAnswer(event, outcomes, position),
      }));
      return { form: decoded.form, events };
    },
  };
}

function commandsOf(event: CacheEvent | Refusal): readonly (Command | Refusal)[] {
  return 'outcome' in event ? [event] : event.commands;
}

/**
 * The events of a body. A bad event is a refusal in its place; one of the whole (`invalid-json`, `invalid-utf8`, `batch-too-big`)
 * is given where nothing has a place.
 */
export function decodeCacheEvents(body: Buffer, limits: FormatLimits): CacheEvents | Refusal {
  const text = messageText(body);
  if (typeof text !== 'string') return text;
  const elements = scanElements(text, 0, text.length, limits.pendingCommandsMax);
  if (isFault(elements)) {
    if (elements.kind === 'too-many') return refuseCount(limits);
    if (elements.kind !== 'wrong-shape') return refuseText(text, elements, SHAPE);
    const event = decodeEvent(text, 0, text.length, limits.pendingCommandsMax, limits);
    return { form: 'object', events: [event] };
  }
  const events: (CacheEvent | Refusal)[] = [];
  let room = limits.pendingCommandsMax;
  for (const { start, end } of elements) {
    const event = decodeEvent(text, start, end, room, limits);
    if ('outcome' in event && event.code === 'batch-too-big') return event;
    room -= 'outcome' in event ? 1 : event.commands.length;
    events.push(event);
  }
  return { form: 'array', events };
}

function decodeEvent(text: string, from: number, to: number, room: number, limits: FormatLimits): CacheEvent | Refusal {
  const members = scanMembers(text, from, to);
  if (isFault(members)) return refuseText(text, members, SHAPE, from, to);
  const type = readType(text, findMember(members, 'key'));
  if (typeof type !== 'string') return type;
  const value = findMember(members, 'value');
  if (value === undefined) return refuse('event-invalid', `value is missing; it takes ${SHAPE}.`, 'value');
  const inside = scanMembers(text, value.start, value.end);
  if (isFault(inside)) {
    const message = `value takes an object with data, but got ${excerptAt(text, value)}.`;
    return refuse('event-invalid', message, 'value');
  }
  const ttl = readTtl(text, findMember(inside, 'ttl'));
  if (typeof ttl === 'object') return ttl;
  const data = findMember(inside, 'data');
  if (data === undefined || kindAt(text, data) === 'null') {
    return refuse('event-invalid', `value.data is missing; ${type} needs something to work on.`, 'value.data');
  }
  const reader = new CacheEventData(text, type, {
    limits,
    room,
    ...(ttl === undefined ? {} : { ttlMicros: ttl }),
  });
  reader.read(data);
  if (reader.isFull) return refuseCount(limits);
  return reader.refusal ?? { type, commands: reader.commands, isSingle: reader.isSingle, isDryRun: reader.isDryRun };
}

function readType(text: string, member: JsonMember | undefined): CacheEventType | Refusal {
  const name = member === undefined ? undefined : stringAt(text, member);
  const type = CACHE_EVENT_TYPES.find((known) => known === name);
  if (type !== undefined) return type;
  const got = name === undefined && member !== undefined ? excerptAt(text, member) : nameValue(name);
  return refuse('event-invalid', `key takes ${CACHE_EVENT_TYPES.join(', ')}, but got ${got}.`, 'key');
}

// Absent, null, "" and 0 mean no expiry; a fraction is rounded up to a whole second, as the system before did.
function readTtl(text: string, member: JsonMember | undefined): number | undefined | Refusal {
  if (member === undefined) return undefined;
  const kind = kindAt(text, member);
  const written = stringAt(text, member);
  if (kind === 'null' || written?.trim() === '') return undefined;
  const seconds = kind === 'number' ? Number(text.slice(member.start, member.end)) : secondsOf(written);
  if (seconds === 0) return undefined;
  if (seconds > 0 && seconds <= TTL_SECONDS_MAX) return Math.ceil(seconds) * 1_000_000;
  const takes = seconds > 0 ? `at most ${TTL_SECONDS_MAX} seconds` : 'a number of seconds from 0 on';
  return refuse('event-invalid', `value.ttl takes ${takes}, but got ${excerptAt(text, member)}.`, 'value.ttl');
}

function refuseCount({ pendingCommandsMax }: FormatLimits): Refusal {
  const message = `The body makes more than ${pendingCommandsMax} commands; nothing of it was taken, send several bodies.`;
  return refuse('batch-too-big', message, undefined, pendingCommandsMax);
}

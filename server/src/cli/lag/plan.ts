/** What is to be measured, as the options say it. */
import { LatchkeyError, quote } from '@latchkey/client';
import type { Environment } from '../../config/environment.ts';
import { parseDurationMs } from '../../config/units.ts';
import { countOf } from '../count-option.ts';
import { type ServerOptions, serverPlace } from '../server-options.ts';
import type { Announcements } from './store.ts';

export interface LagOptions extends ServerOptions {
  readonly writer?: string;
  readonly observe?: readonly string[];
  readonly style?: string;
  readonly only?: string;
  readonly interval?: string;
  readonly count?: string;
  readonly key?: string;
  readonly handshake?: string;
  readonly channel: string;
  readonly setNotifications?: boolean;
  readonly seedOutput?: boolean;
}

export const PATHS = ['keyspace', 'tracking', 'pubsub', 'stream', 'sse', 'websocket', 'resp', 'poll'] as const;
export type PathName = (typeof PATHS)[number];

/** `callback`: a function is called; `iterator`: a loop awaits the next. */
export type Style = 'callback' | 'iterator';

export type Place =
  | { readonly kind: 'redis'; readonly url: string }
  | { readonly kind: 'latchkey'; readonly server: string; readonly token?: string };

export interface ObserverPlan {
  readonly path: PathName;
  readonly everyMs: number;
  readonly style: Style;
  readonly place: Place;
}

export interface Plan {
  /** Absent where another program writes. */
  readonly writer: Place | undefined;
  readonly observers: readonly ObserverPlan[];
  readonly key: string;
  readonly handshake: string | undefined;
  readonly intervalMs: number;
  /** Infinity: until interrupted. */
  readonly count: number;
  readonly channel: string;
  readonly stream: string;
  readonly setsNotifications: boolean;
  readonly isSeedOutput: boolean;
}

const COUNT_MAX = 1_000_000;
const OBSERVERS_MAX = 100;
const INTERVAL_MAX_MS = 86_400_000;
const REDIS_PATHS: readonly PathName[] = ['keyspace', 'tracking', 'pubsub', 'stream', 'resp'];

const usage = (field: string, message: string) => new LatchkeyError('usage', message, { field });

/** @throws LatchkeyError `usage` */
export function planOf(options: LagOptions, environment: Environment): Plan {
  const isSeedOutput = options.seedOutput === true;
  if (isSeedOutput && options.json === true) {
    throw usage('--seed-output', '--seed-output prints lines of its own; leave --json out.');
  }
  const only = oneOf('--only', options.only ?? 'both', ['writer', 'observers', 'both']);
  const writer = placeOf('--writer', options.writer, options, environment);
  const fallback =
    writer.kind === 'redis' ? ['keyspace', 'tracking', 'poll:100ms'] : ['sse', 'websocket', 'poll:100ms'];
  const specs = options.observe ?? (isSeedOutput ? fallback.slice(0, 1) : fallback);
  const style = oneOf('--style', options.style ?? (isSeedOutput ? 'both' : 'callback'), [
    'callback',
    'iterator',
    'both',
  ]);
  const styles: readonly Style[] = style === 'both' ? ['callback', 'iterator'] : [style];
  const observers =
    only === 'writer' ? [] : specs.flatMap((spec) => observersOf(spec, styles, writer, options, environment));
  if (observers.length > OBSERVERS_MAX) {
    throw usage('--observe', `At most ${OBSERVERS_MAX} observers can be run, but got ${observers.length}.`);
  }
  const stray = observers.find(({ path }) => path === 'stream');
  if (stray !== undefined && writer.kind !== 'redis' && only === 'both') {
    throw usage('--observe', 'The path stream needs a writer that adds to one: give --writer redis://HOST:PORT.');
  }
  const count = countOf('--count', options.count ?? (isSeedOutput ? undefined : '100'));
  if (count > COUNT_MAX && count !== Number.POSITIVE_INFINITY) {
    throw usage('--count', `--count takes at most ${COUNT_MAX}, but got ${count}.`);
  }
  const handshake = options.handshake ?? (isSeedOutput ? 'handshake_key' : undefined);
  const key = options.key ?? (isSeedOutput ? 'shared_key' : 'latchkey-lag');
  if (handshake === key) throw usage('--handshake', `--handshake takes another key than --key, but got ${quote(key)}.`);
  return {
    writer: only === 'observers' ? undefined : writer,
    observers,
    key,
    handshake,
    intervalMs: duration('--interval', options.interval ?? (isSeedOutput ? '10s' : '20ms')),
    count,
    channel: options.channel,
    stream: `${key}.stream`,
    setsNotifications: options.setNotifications === true,
    isSeedOutput,
  };
}

/** What a write to a Redis also does, so that every path that is observed has something to show, here or by another program. */
export function announcementsOf({ channel, isSeedOutput, observers, stream }: Plan): Announcements {
  const isElsewhere = observers.length === 0 && !isSeedOutput;
  const isFed = (path: PathName) => isElsewhere || observers.some((each) => each.path === path);
  return { ...(isFed('pubsub') ? { channel } : {}), ...(isFed('stream') ? { stream } : {}) };
}

function observersOf(
  spec: string,
  styles: readonly Style[],
  writer: Place,
  options: LagOptions,
  environment: Environment,
): readonly ObserverPlan[] {
  const [, name, every, style, url] = /^([a-z]+)(?::([^@+]+))?(?:\+(callback|iterator))?(?:@(.+))?$/.exec(spec) ?? [];
  const path = PATHS.find((each) => each === name);
  if (path === undefined || (every !== undefined && path !== 'poll')) {
    throw usage('--observe', `--observe takes PATH[+STYLE][@URL] with one of ${takes()}, but got ${quote(spec)}.`);
  }
  const everyMs = path === 'poll' ? duration('--observe poll', every ?? '100ms') : 0;
  if (path === 'poll' && everyMs < 1) throw usage('--observe', 'poll takes a time from 1ms, such as poll:100ms.');
  const place = url === undefined ? writer : placeOf('--observe', url, options, environment);
  const kind = REDIS_PATHS.includes(path) ? 'redis' : path === 'poll' ? place.kind : 'latchkey';
  if (place.kind !== kind) {
    const example = kind === 'redis' ? 'redis://127.0.0.1:6379' : 'http://127.0.0.1:23333';
    throw usage(
      '--observe',
      `The path ${path} is one of ${kind === 'redis' ? 'a Redis' : 'a Latchkey server'}: say where, such as ${path}@${example}.`,
    );
  }
  // A poll has no events to listen for: both styles are the same loop.
  return (style === undefined ? styles : [style as Style])
    .slice(0, path === 'poll' ? 1 : 2)
    .map((each) => ({ path, everyMs, style: each, place }));
}

function takes(): string {
  return PATHS.map((path) => (path === 'poll' ? 'poll:100ms' : path)).join(', ');
}

function placeOf(option: string, url: string | undefined, options: LagOptions, environment: Environment): Place {
  if (url === undefined) return { kind: 'latchkey', ...serverPlace(options, environment) };
  const protocol = URL.canParse(url) ? new URL(url).protocol : '';
  if (protocol === 'redis:' || protocol === 'rediss:') return { kind: 'redis', url };
  if (protocol === 'http:' || protocol === 'https:') {
    return { kind: 'latchkey', ...serverPlace({ ...options, server: url }, environment) };
  }
  throw usage(option, `${option} takes a URL of redis://, rediss://, http:// or https://, but got ${quote(url)}.`);
}

function duration(option: string, text: string): number {
  let ms: number;
  try {
    ms = parseDurationMs(text);
  } catch (error) {
    throw usage(option, `${option} ${(error as Error).message}.`);
  }
  if (ms <= INTERVAL_MAX_MS) return ms;
  throw usage(option, `${option} takes at most 24h, but got ${quote(text)}.`);
}

function oneOf<const Word extends string>(option: string, text: string, words: readonly Word[]): Word {
  const word = words.find((each) => each === text);
  if (word !== undefined) return word;
  throw usage(option, `${option} takes ${words.join(', ')}, but got ${quote(text)}.`);
}

/** Without user and password. */
export function shownPlace(place: Place): string {
  const url = new URL(place.kind === 'redis' ? place.url : place.server);
  url.username = '';
  url.password = '';
  return url.href.replace(/\/$/, '');
}

export function shownPath({ everyMs, path }: ObserverPlan): string {
  return path === 'poll' ? `poll:${everyMs}ms` : path;
}

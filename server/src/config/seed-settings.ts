import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { readEnvFile } from './env-file.ts';
import { type Environment, variable } from './environment.ts';
import { configInvalid, type Fault, shown } from './fault.ts';
import type { SeedSettings } from './presets.ts';
import { type PythonEntry, parsePythonDictionary } from './python-literal.ts';
import { isFromKubernetes, kubernetesWarning } from './settings-environment.ts';

/** Presets of systems that were told where their Redis is by variables. */
const ON_REDIS = ['kvupdater', 'redis-cache-sync', 'redis-backend-ms'];
const REDIS_NAMES = ['REDIS_HOST', 'REDIS_PORT', 'REDIS_DB', 'REDIS_PASS'] as const;
const KAFKA_NAMES = ['KAFKA_TOPIC', 'KAFKA_BROKER', 'KAFKA_GROUP'] as const;
const CONFIG_BYTES_MAX = 64 * 1024;

export interface ReadSeedSettings extends SeedSettings {
  readonly faults: readonly Fault[];
  readonly warnings: readonly string[];
  /** What told where the Redis is, for messages; undefined: the preset alone. */
  readonly urlOrigin: string | undefined;
}

export function isPythonFile(file: string | undefined): boolean {
  return file?.endsWith('.py') === true;
}

/**
 * What the users of the systems that the presets stand for have set already, under these presets alone. A variable wins over the
 * same name in `.env`, and over `config.py`.
 * @throws LatchkeyError `config-invalid` of a file that can't be read
 */
export function readSeedSettings(places: {
  readonly presets: readonly string[];
  readonly environment: Environment;
  readonly file: string | undefined;
  readonly cwd: string;
}): ReadSeedSettings {
  const { cwd, environment, file, presets } = places;
  const faults: Fault[] = [];
  const warnings: string[] = [];
  const config = isPythonFile(file) ? readConfig(cwd, file as string, presets, faults, warnings) : {};
  const isOnRedis = presets.some((preset) => ON_REDIS.includes(preset));
  const given = new Map<string, Given>();
  if (isOnRedis) readVariables(presets, environment, cwd, given, warnings);
  const kafka = KAFKA_NAMES.filter((name) => given.has(name));
  if (kafka.length > 0) warnings.push(noKafka(kafka));
  checkNumbers(given, faults);
  const isSet = REDIS_NAMES.some((name) => given.has(name));
  return {
    ...config,
    redisUrl: (byDefault) => withVariables(config.redisUrl ?? byDefault, given),
    faults,
    warnings,
    urlOrigin: isSet ? namesOf(given) : config.redisUrl === undefined ? undefined : file,
  };
}

interface Given {
  readonly text: string;
  readonly origin: string;
}

function readVariables(
  presets: readonly string[],
  environment: Environment,
  cwd: string,
  given: Map<string, Given>,
  warnings: string[],
): void {
  const withKafka = presets.includes('redis-backend-ms');
  const names: readonly string[] = withKafka ? [...REDIS_NAMES, ...KAFKA_NAMES] : REDIS_NAMES;
  const envFile = withKafka ? readEnvFile(cwd) : undefined;
  for (const line of envFile?.unread ?? []) warnings.push(`.env line ${line} is no NAME=VALUE, and is ignored`);
  const ignored: string[] = [];
  for (const name of names) {
    const inFile = variable(Object.fromEntries(envFile?.variables ?? []), name);
    if (inFile !== undefined) given.set(name, { text: inFile, origin: `${name} in .env` });
    const text = variable(environment, name);
    if (text === undefined) continue;
    if (isFromKubernetes(name, text)) ignored.push(name);
    else given.set(name, { text, origin: name });
  }
  if (ignored.length > 0) warnings.push(kubernetesWarning(ignored));
}

function checkNumbers(given: ReadonlyMap<string, Given>, faults: Fault[]): void {
  for (const [name, max] of [
    ['REDIS_PORT', 65_535],
    ['REDIS_DB', 1_000_000],
  ] as const) {
    const found = given.get(name);
    if (found === undefined || (/^[0-9]{1,7}$/.test(found.text.trim()) && Number(found.text) <= max)) continue;
    const says = `takes a number from 0 to ${max}, but got ${shown(name, found.text)}`;
    faults.push({ path: name, says, ...(found.origin === name ? {} : { origin: found.origin }) });
  }
  const host = given.get('REDIS_HOST');
  if (host !== undefined && !/^(?:[A-Za-z0-9_.-]{1,253}|\[?[0-9a-fA-F:.]{2,45}\]?)$/.test(host.text.trim()))
    faults.push({
      path: 'REDIS_HOST',
      says: `takes a host name or address, but got ${shown('REDIS_HOST', host.text)}`,
    });
}

/** The URL with what the variables say in its place. */
function withVariables(text: string, given: ReadonlyMap<string, Given>): string {
  if (!REDIS_NAMES.some((name) => given.has(name)) || !URL.canParse(text)) return text;
  const url = new URL(text);
  const value = (name: (typeof REDIS_NAMES)[number]) => given.get(name)?.text.trim();
  const host = value('REDIS_HOST');
  if (host !== undefined) url.hostname = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  const port = value('REDIS_PORT');
  if (port !== undefined) url.port = port;
  const database = value('REDIS_DB');
  if (database !== undefined) url.pathname = `/${database}`;
  const password = given.get('REDIS_PASS')?.text;
  if (password !== undefined) url.password = encodeURIComponent(password);
  return url.href;
}

function namesOf(given: ReadonlyMap<string, Given>): string {
  return REDIS_NAMES.flatMap((name) => given.get(name)?.origin ?? []).join(', ');
}

function noKafka(names: readonly string[]): string {
  return (
    `${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} set, but this version has no source for Kafka yet: nothing is read from there. ` +
    'Everything else of the preset runs; bring messages by HTTP or Redis meanwhile'
  );
}

interface Config {
  readonly redisUrl?: string;
  readonly channel?: string;
  readonly validate?: boolean;
}

/** `config = {"redis_url": …, "channel": …, "validate": …}` as KVUpdater's users have it. */
function readConfig(
  cwd: string,
  file: string,
  presets: readonly string[],
  faults: Fault[],
  warnings: string[],
): Config {
  if (!presets.includes('kvupdater')) {
    throw configInvalid([
      { path: '', says: `${file} is a file of Python, which only KVUpdater has; add --preset kvupdater` },
    ]);
  }
  const entries = parsePythonDictionary(readText(resolve(cwd, file)), 'config', file);
  const take = <Kind extends 'string' | 'boolean'>(name: string, kind: Kind, takes: string) => {
    const entry = entries.get(name);
    if (entry === undefined) return undefined;
    if (typeof entry.value === kind) return entry.value as Kind extends 'string' ? string : boolean;
    faults.push({ path: name, says: `takes ${takes}`, origin: placeOf(file, entry) });
    return undefined;
  };
  const url = take('redis_url', 'string', 'a text such as "redis://localhost:6379/0"');
  const channel = take('channel', 'string', 'a text such as "update"');
  const validate = take('validate', 'boolean', 'True or False');
  for (const [name, entry] of entries) {
    if (!['redis_url', 'channel', 'validate'].includes(name))
      warnings.push(`${placeOf(file, entry)}: ${name} is ignored; redis_url, channel and validate are read`);
  }
  return {
    ...(url === undefined ? {} : { redisUrl: withDatabase(url, warnings) }),
    ...(channel === undefined ? {} : { channel }),
    ...(validate === undefined ? {} : { validate }),
  };
}

function placeOf(file: string, { line }: PythonEntry): string {
  return `${file} line ${line}`;
}

/** Python's `redis` takes the database as `?db=1` too, and there options of its own. */
function withDatabase(text: string, warnings: string[]): string {
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  if (url.search === '') return text;
  const database = url.searchParams.get('db');
  const others = [...url.searchParams.keys()].filter((name) => name !== 'db');
  if (others.length > 0) warnings.push(`redis_url: ${others.join(', ')} behind the ? is ignored; db is read there`);
  url.search = '';
  if (database !== null) url.pathname = `/${database}`;
  return url.href;
}

function readText(path: string): string {
  try {
    const { size } = statSync(path);
    if (size <= CONFIG_BYTES_MAX) return readFileSync(path, 'utf8');
    throw configInvalid([{ path: '', says: `${path} has ${size} bytes; it may have ${CONFIG_BYTES_MAX}` }]);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined || code === 'config-invalid') throw error;
    const reason = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
    throw configInvalid([{ path: '', says: `${path} ${reason}; check --config and the file's permissions` }]);
  }
}

/**
 * The log lines of a process: JSON by pino, or text to read, to one file descriptor. It does not choose what is worth a line, and
 * never sees values or bodies; should a token slip in, its name gives it away.
 *
 * Invariant: a line is written before its call returns, so the last line before a crash is never the one that is missing.
 */
import { LatchkeyError } from '@latchkey/client';
import pino from 'pino';
import { type Clock, systemClock } from './clock.ts';
import type { Logger } from './logger.ts';

export interface LoggerOptions {
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  readonly logFormat: 'json' | 'text';
  /** On every line as `cluster`; empty: left out. */
  readonly clusterLabel: string;
  readonly clock?: Clock;
  /** File descriptor or path; default 2, standard error. */
  readonly destination?: number | string;
}

type Level = LoggerOptions['logLevel'];
type Fields = Readonly<Record<string, unknown>>;
type WriteLine = (level: Level, fields: Fields, message: string) => void;

const LEVELS: readonly Level[] = ['debug', 'info', 'warn', 'error'];
const SECRET_NAME = /^(authorization|cookie|set-cookie|jwt)$|pass(word|wd|phrase)?$|secret|token$|credential|apikey/i;
const URL_PASSWORD = /([a-z][a-z0-9+.-]*:\/\/[^:/?#@\s]*:)[^@/?#\s]*@/gi;

export function createLogger(options: LoggerOptions): Logger {
  const destination = pino.destination({ dest: options.destination ?? 2, sync: true });
  // A reader that went (a closed pipe) is no reason to end the server.
  destination.on('error', () => {});
  const base: Fields = options.clusterLabel === '' ? {} : { cluster: options.clusterLabel };
  const clock = options.clock ?? systemClock;
  const time = () => new Date(Math.floor(clock.nowMicros() / 1000)).toISOString();
  const writeLine =
    options.logFormat === 'json' ? jsonLines(destination, options.logLevel, time) : textLines(destination, time);
  return loggerOf(writeLine, LEVELS.indexOf(options.logLevel), base);
}

function loggerOf(writeLine: WriteLine, least: number, base: Fields): Logger {
  const at = (level: Level) => (fields: Fields, message: string) => {
    if (LEVELS.indexOf(level) >= least) writeLine(level, clean({ ...base, ...fields }), message);
  };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => loggerOf(writeLine, least, { ...base, ...fields }),
  };
}

function jsonLines(destination: pino.DestinationStream, level: Level, time: () => string): WriteLine {
  const json = pino(
    {
      level,
      base: null,
      messageKey: 'message',
      // What is handed over is clean already; pino's own serializer would write errors' messages once more.
      serializers: { err: (fields: unknown) => fields },
      timestamp: () => `,"time":"${time()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  return (at, fields, message) => json[at](fields, withoutPasswords(message));
}

function textLines(destination: pino.DestinationStream, time: () => string): WriteLine {
  return (level, fields, message) => {
    // As Python's logging writes it, which users of the seeds search their logs for.
    const name = level === 'warn' ? 'WARNING' : level.toUpperCase();
    let line = `${time().replace(/\.\d+Z$/, 'Z')} ${name} ${oneLine(message)}`;
    for (const [field, value] of Object.entries(fields)) line += ` ${field}=${textOf(unrepeated(value, message))}`;
    destination.write(`${line}\n`);
  };
}

/** An error without the message that the line has already. */
function unrepeated(value: unknown, told: string): unknown {
  if (typeof value !== 'object' || value === null || !('message' in value) || typeof value.message !== 'string')
    return value;
  if (!told.includes(value.message)) return value;
  const { message: _, ...rest } = value;
  return rest;
}

/** Errors become what an operator needs of them, and what bears a secret's name is not written. */
function clean(fields: Fields): Fields {
  const cleaned: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    if (SECRET_NAME.test(name)) cleaned[name] = '[redacted]';
    else cleaned[name] = cleanValue(value, 0);
  }
  return cleaned;
}

function cleanValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return withoutPasswords(value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Error) return errorFields(value, depth);
  if (depth > 4) return '[nested deeper]';
  if (Array.isArray(value)) return value.slice(0, 100).map((each) => cleanValue(each, depth + 1));
  const inner: Record<string, unknown> = {};
  for (const [name, each] of Object.entries(value)) {
    inner[name] = SECRET_NAME.test(name) ? '[redacted]' : cleanValue(each, depth + 1);
  }
  return inner;
}

/** `isForeseen`: it is what a system or library told of the world, and was translated: no bug, whose name would be more than Error. */
function errorFields(error: Error, depth: number, isForeseen = false): unknown {
  const { cause, code } = error as Error & { code?: unknown };
  const isExpected = isForeseen || error instanceof LatchkeyError;
  return {
    type: error.name,
    ...(code === undefined ? {} : { code }),
    message: cleanValue(error.message, depth),
    // A LatchkeyError is expected and says all in its message; of anything else the place in the code is wanted.
    ...(isExpected ? {} : { stack: cleanValue(error.stack, depth) }),
    ...(cause instanceof Error && depth < 4
      ? { cause: errorFields(cause, depth + 1, isExpected && cause.name === 'Error' && code !== 'internal') }
      : {}),
  };
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return /^[^\s"=\\\p{Cc}]+$/u.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value) ?? String(value);
}

/** A line feed in a message must not forge a second line. */
function oneLine(text: string): string {
  return withoutPasswords(text).replace(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1));
}

function withoutPasswords(text: string): string {
  return text.replace(URL_PASSWORD, '$1***@');
}

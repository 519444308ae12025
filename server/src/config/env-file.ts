import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { configInvalid } from './fault.ts';

const FILE_NAME = '.env';
const FILE_BYTES_MAX = 64 * 1024;
const LINE = /^(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=\s*(.*)$/;

export interface EnvFile {
  readonly variables: ReadonlyMap<string, string>;
  /** Numbers of lines that are no NAME=VALUE. */
  readonly unread: readonly number[];
}

/** `.env` of the folder; undefined where there is none. @throws LatchkeyError `config-invalid` where it can't be read */
export function readEnvFile(cwd: string): EnvFile | undefined {
  const path = resolve(cwd, FILE_NAME);
  try {
    const { size } = statSync(path);
    if (size > FILE_BYTES_MAX)
      throw configInvalid([{ path: '', says: `${path} has ${size} bytes; it may have ${FILE_BYTES_MAX}` }]);
    return parseEnvFile(readFileSync(path, 'utf8'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code === undefined || code === 'config-invalid') throw error;
    throw configInvalid([{ path: '', says: `${path} cannot be read (${code}); check its permissions` }]);
  }
}

/** `NAME=VALUE` a line, quotes around a value and comments taken off, as its readers in Python do. */
export function parseEnvFile(text: string): EnvFile {
  const variables = new Map<string, string>();
  const unread: number[] = [];
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const [, name, value] = LINE.exec(trimmed) ?? [];
    if (name === undefined || value === undefined) unread.push(index + 1);
    else variables.set(name, withoutQuotes(value));
  }
  return { variables, unread };
}

function withoutQuotes(written: string): string {
  const quoted = /^(["'])((?:\\.|(?!\1)[^\\])*)\1\s*(?:#.*)?$/.exec(written);
  if (quoted === null) return written.replace(/(?:^|\s+)#.*$/, '');
  return quoted[1] === "'"
    ? unescaped(quoted[2] as string, /\\([\\'])/g)
    : unescaped(quoted[2] as string, /\\([\\"nrt])/g);
}

function unescaped(text: string, pattern: RegExp): string {
  const meant: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };
  return text.replace(pattern, (_found, character: string) => meant[character] ?? character);
}

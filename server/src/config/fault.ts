import { LatchkeyError, quote } from '@latchkey/client';
import { isReference } from './reference.ts';

/** One thing that is wrong with the configuration. */
export interface Fault {
  /** As in `latchkey.yaml`; empty where the whole file is meant. */
  readonly path: string;
  /** Completes the sentence that begins with the path. */
  readonly says: string;
  /** Where the value came from: `--port`, `LATCHKEY_HTTP_PORT`, `latchkey.yaml line 3`. */
  readonly origin?: string | undefined;
}

const SECRET_NAME = /pass|secret|token|jwt|auth|credential|apikey|private/i;
const URL_PASSWORD = /([a-z][a-z0-9+.-]*:\/\/[^:/?#@\s]*:)[^@/?#\s]*@/gi;

/** A value as a message may show it: never a secret, and no longer than a reader takes in. */
export function shown(path: string, value: unknown): string {
  if (SECRET_NAME.test(path)) return 'a value that is not shown';
  if (value === null || value === undefined) return 'nothing';
  // What lies deeper may hold secrets under names that only later versions know.
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  return quote(typeof value === 'string' ? withoutPasswords(value) : value);
}

/** `redis://user:***@host`. */
export function withoutPasswords(text: string): string {
  return text.replace(URL_PASSWORD, '$1***@');
}

export function faultLine({ path, says, origin }: Fault): string {
  const sentence = path === '' ? says : `${path} ${says}`;
  if (/[.?!]$/.test(sentence)) return origin === undefined ? sentence : `${sentence} (${origin})`;
  return origin === undefined ? `${sentence}.` : `${sentence} (${origin}).`;
}

/** All faults in one error: a user who repairs a file wants to see them all. */
export function configInvalid(faults: readonly Fault[]): LatchkeyError {
  const lines = faults.map(faultLine);
  const message =
    lines.length === 1 ? (lines[0] as string) : `${lines.length} settings are wrong:\n  ${lines.join('\n  ')}`;
  return new LatchkeyError('config-invalid', message, { extra: { faults } });
}

/** A value whole, but for what is secret; a reference is none. */
export function hidden(name: string, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((each) => hidden(name, each));
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([inner, each]) => [inner, hidden(inner, each)]));
  if (typeof value !== 'string' || value === '' || isReference(value)) return value;
  return SECRET_NAME.test(name) ? '***' : withoutPasswords(value);
}

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Environment, variable } from './environment.ts';

/** A value that stands elsewhere: `env:NAME` in a variable, `file:PATH` in a file. */
export const REFERENCE_PATTERN = '^(env|file):.+';

const REFERENCE = /^(env|file):(.+)$/s;
const FILE_BYTES_MAX = 64 * 1024;

export interface Followed {
  readonly text: string;
}

export interface Dangling {
  /** Completes the sentence that begins with the setting. */
  readonly says: string;
}

export function isReference(value: unknown): value is string {
  return typeof value === 'string' && REFERENCE.test(value);
}

/**
 * What a reference leads to, without the line feed that ends a file; undefined for a text that is none. What was found is never
 * part of `says`.
 */
export function follow(text: string, environment: Environment, cwd: string): Followed | Dangling | undefined {
  const match = REFERENCE.exec(text);
  if (match === null) return undefined;
  const [, kind, place] = match as unknown as [string, 'env' | 'file', string];
  if (kind === 'env') {
    const found = variable(environment, place);
    return found === undefined
      ? { says: `refers to the variable ${place}, which is not set; set it` }
      : { text: found };
  }
  try {
    const bytes = readFileSync(resolve(cwd, place));
    if (bytes.length > FILE_BYTES_MAX)
      return { says: `refers to ${place}, which has more than ${FILE_BYTES_MAX} bytes` };
    const found = bytes.toString('utf8').replace(/\r?\n$/, '');
    return found === '' ? { says: `refers to ${place}, which is empty` } : { text: found };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
    return { says: `refers to ${place}, which ${why}; check the path and its permissions` };
  }
}

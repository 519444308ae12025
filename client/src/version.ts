import { LatchkeyError } from './error.ts';

/** The last change of an entry: `epoch.offset`, or `epoch.partition-offset` where the log has several partitions. */
export interface Version {
  readonly epoch: string;
  readonly partition: number;
  readonly offset: number;
}

const VERSION = /^([0-9a-z]{4,13})\.(?:([0-9]{1,3})-)?([0-9]{1,16})$/;

/** `partitions` is the log's number of partitions; with one, the partition is not written. */
export function formatVersion(version: Version, partitions = 1): string {
  return partitions === 1
    ? `${version.epoch}.${version.offset}`
    : `${version.epoch}.${version.partition}-${version.offset}`;
}

/** @throws LatchkeyError `position-invalid` */
export function parseVersion(text: string, field = 'version'): Version {
  const match = VERSION.exec(text);
  const offset = match === null ? Number.NaN : Number(match[3]);
  if (match === null || !Number.isSafeInteger(offset)) {
    throw new LatchkeyError('position-invalid', `${field} takes a version like k3x9.1042, but got ${quote(text)}.`, {
      field,
    });
  }
  return { epoch: match[1] as string, partition: Number(match[2] ?? 0), offset };
}

/** Quotes foreign text for a message, cut to what a reader can take in. Never throws. */
export function quote(value: unknown, lengthMax = 60): string {
  const text = textOf(typeof value === 'string' ? value.slice(0, lengthMax + 1) : value);
  return text.length > lengthMax ? `${text.slice(0, lengthMax)}…` : text;
}

function textOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    // Nested deeper than the stack, in itself, or a bigint.
    return Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'an object' : String(value);
  }
}

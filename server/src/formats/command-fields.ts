import { LatchkeyError, parseVersion, type Version } from '@latchkey/client';
import type { Refusal } from '../commands/command.ts';
import type { Payload, Timestamp } from '../shared/change.ts';
import { parseContentType, refuseContentType } from '../shared/content-type.ts';
import { refuseKey, refusePattern } from '../shared/key.ts';
import { isRefusal, refuse } from '../shared/refusal.ts';
import { parseTimestamp } from '../shared/timestamp.ts';
import { ttlMicros } from '../shared/ttl.ts';
import { payloadOfSpan } from './command-value.ts';
import { excerptAt, type JsonMember, kindAt, stringAt } from './json-text.ts';
import type { FormatLimits } from './message-text.ts';

/** Every field that some command has, each with its bit in a set of fields; what each op takes is in `command.ts`. */
const FIELDS = {
  op: 0,
  key: 1,
  value: 2,
  updated: 3,
  valid: 4,
  ttl: 5,
  ifVersion: 6,
  ifAbsent: 7,
  ifPresent: 8,
  keepExpiry: 9,
  returnPrevious: 10,
  contentType: 11,
  encoding: 12,
  idempotencyKey: 13,
  pattern: 14,
  dryRun: 15,
} as const;

export type Field = keyof typeof FIELDS;

const INDEX: ReadonlyMap<string, number> = new Map(Object.entries(FIELDS));
export const IDEMPOTENCY_KEY_BYTES_MAX = 255;

/** Fields by name for messages, and as bits, so that asking for one that is not taken costs nothing. */
export interface FieldSet {
  readonly names: readonly Field[];
  readonly bits: number;
}

export function fieldSet(names: readonly Field[]): FieldSet {
  return { names, bits: names.reduce((bits, name) => bits | (1 << FIELDS[name]), 0) };
}

/**
 * The fields of one command, each checked as it is read. The first fault is kept in `refusal` and the readers go on with values
 * that are never used, so that a decoder reads straight down and asks once, at its end.
 */
export class CommandFields {
  readonly #text: string;
  readonly #members: readonly JsonMember[];
  readonly #limits: FormatLimits;
  readonly #found: (JsonMember | undefined)[] = [];
  readonly #ignored: readonly string[];
  #bits = 0;
  #hasUnknown = false;
  refusal: Refusal | undefined;

  constructor(text: string, members: readonly JsonMember[], limits: FormatLimits, ignored: readonly string[]) {
    this.#text = text;
    this.#members = members;
    this.#limits = limits;
    this.#ignored = ignored;
    for (const member of members) {
      const index = INDEX.get(member.name);
      if (index !== undefined) {
        this.#found[index] = member;
        this.#bits |= 1 << index;
      } else if (!ignored.includes(member.name)) this.#hasUnknown = true;
    }
  }

  /** The first field that is there and not of the set. */
  unexpected(taken: FieldSet): string | undefined {
    if (!this.#hasUnknown && (this.#bits & ~taken.bits) === 0) return undefined;
    return this.#members.find(({ name }) => !taken.names.includes(name as Field) && !this.#ignored.includes(name))
      ?.name;
  }

  string(field: Field): string | undefined {
    const member = this.#member(field);
    if (member === undefined) return undefined;
    const text = stringAt(this.#text, member);
    if (text === undefined) this.#refuseType(field, 'a string');
    return text;
  }

  boolean(field: Field): boolean | undefined {
    const member = this.#member(field);
    if (member === undefined) return undefined;
    const kind = kindAt(this.#text, member);
    if (kind !== 'true' && kind !== 'false') this.#refuseType(field, 'true or false');
    return kind === 'true';
  }

  key(): string {
    const member = this.#member('key');
    const key = member === undefined ? undefined : stringAt(this.#text, member);
    if (member !== undefined && key === undefined) {
      this.#refuse(refuse('key-invalid', `key takes a string, but got ${excerptAt(this.#text, member)}.`, 'key'));
    } else this.#refuse(refuseKey(key, this.#limits.keyBytesMax));
    return key ?? '';
  }

  pattern(): string {
    const member = this.#member('pattern');
    const pattern = member === undefined ? undefined : stringAt(this.#text, member);
    if (member !== undefined && pattern === undefined) {
      const message = `pattern takes a string, but got ${excerptAt(this.#text, member)}.`;
      this.#refuse(refuse('pattern-invalid', message, 'pattern'));
    } else this.#refuse(refusePattern(pattern, this.#limits.keyBytesMax));
    return pattern ?? '';
  }

  timestamp(field: 'updated' | 'valid'): Timestamp | undefined {
    const member = this.#member(field);
    if (member === undefined) return undefined;
    const text = stringAt(this.#text, member);
    const timestamp = text === undefined ? undefined : parseTimestamp(text);
    if (timestamp === undefined) {
      const message = `${field} takes a time like "2026-11-20T12:00:00Z", but got ${excerptAt(this.#text, member)}.`;
      this.#refuse(refuse('updated-invalid', message, field));
    }
    return timestamp;
  }

  /** Microseconds; `null` only where it is allowed, which is for `expire`. */
  ttl(nullIsTaken: true): number | null | undefined;
  ttl(nullIsTaken: false): number | undefined;
  ttl(nullIsTaken: boolean): number | null | undefined {
    const member = this.#member('ttl');
    if (member === undefined) return undefined;
    const kind = kindAt(this.#text, member);
    if (kind === 'null' && nullIsTaken) return null;
    if (kind !== 'number' && kind !== 'string') {
      const message = `ttl takes a number of seconds above 0, but got ${excerptAt(this.#text, member)}.`;
      this.#refuse(refuse('ttl-invalid', message, 'ttl'));
      return undefined;
    }
    const raw = this.#text.slice(member.start, member.end);
    const micros = ttlMicros(kind === 'number' ? Number(raw) : stringAt(this.#text, member));
    if (typeof micros === 'number') return micros;
    this.#refuse(micros);
    return undefined;
  }

  version(): Version | undefined {
    const text = this.string('ifVersion');
    if (text === undefined) return undefined;
    try {
      return parseVersion(text.slice(0, 100), 'ifVersion');
    } catch (error) {
      if (!(error instanceof LatchkeyError)) throw error;
      this.#refuse(refuse(error.code, error.message, 'ifVersion'));
      return undefined;
    }
  }

  idempotencyKey(): string | undefined {
    const text = this.string('idempotencyKey');
    if (text === undefined) return undefined;
    const refusal = refuseKey(text, IDEMPOTENCY_KEY_BYTES_MAX, 'idempotencyKey');
    if (refusal !== undefined) {
      const message = `idempotencyKey takes 1 to ${IDEMPOTENCY_KEY_BYTES_MAX} bytes without control characters.`;
      this.#refuse(refuse('invalid-request', message, 'idempotencyKey', IDEMPOTENCY_KEY_BYTES_MAX));
    }
    return text;
  }

  payload(): Payload | undefined {
    const member = this.#required('value', 'any JSON value');
    const contentType = this.string('contentType');
    const encoding = this.string('encoding');
    if (member === undefined || this.refusal !== undefined) return undefined;
    if (contentType !== undefined && parseContentType(contentType) === undefined) {
      this.#refuse(refuseContentType(contentType, 'contentType'));
      return undefined;
    }
    const payload = payloadOfSpan(this.#text, member, contentType, encoding, this.#limits.valueBytesMax);
    if (!isRefusal(payload)) return payload;
    this.#refuse(payload);
    return undefined;
  }

  /** The text of a merge patch. */
  patch(): string {
    const member = this.#required('value', 'a JSON object');
    if (member === undefined) return '';
    const patch = this.#text.slice(member.start, member.end);
    if (kindAt(this.#text, member) !== 'object') {
      const message = `The value of a merge takes a JSON object, but got ${excerptAt(this.#text, member)}.`;
      this.#refuse(refuse('not-an-object', message, 'value'));
    }
    const payload = payloadOfSpan(this.#text, member, undefined, undefined, this.#limits.valueBytesMax);
    if (isRefusal(payload)) this.#refuse(payload);
    return patch;
  }

  #member(field: Field): JsonMember | undefined {
    return this.#found[FIELDS[field]];
  }

  #required(field: Field, takes: string): JsonMember | undefined {
    const member = this.#member(field);
    if (member === undefined) this.#refuse(refuse('invalid-request', `${field} is missing; it takes ${takes}.`, field));
    return member;
  }

  #refuseType(field: Field, takes: string): void {
    const member = this.#member(field) as JsonMember;
    const message = `${field} takes ${takes}, but got ${excerptAt(this.#text, member)}.`;
    this.#refuse(refuse('invalid-request', message, field));
  }

  #refuse(refusal: Refusal | undefined): void {
    this.refusal ??= refusal;
  }
}

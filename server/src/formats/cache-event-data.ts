import type { Command, Refusal } from '../commands/command.ts';
import { refuseKey, refusePattern } from '../shared/key.ts';
import { jsonPayload, refuseValueSize } from '../shared/payload.ts';
import { refuse } from '../shared/refusal.ts';
import type { CacheEventType } from './cache-event.ts';
import {
  excerptAt,
  findMember,
  isFault,
  type JsonMember,
  type JsonSpan,
  kindAt,
  scanElements,
  scanMembers,
  stringAt,
} from './json-text.ts';
import type { FormatLimits } from './message-text.ts';

interface DataOptions {
  readonly limits: FormatLimits;
  /** How many commands there is room for. */
  readonly room: number;
  readonly ttlMicros?: number;
}

/** Reads the `data` of one event in all its shapes. A fault of the shape refuses the event; one of a single key only that key. */
export class CacheEventData {
  readonly #text: string;
  readonly #type: CacheEventType;
  readonly #options: DataOptions;
  readonly commands: (Command | Refusal)[] = [];
  refusal: Refusal | undefined;
  isSingle = true;
  isFull = false;
  #dryRuns = 0;

  constructor(text: string, type: CacheEventType, options: DataOptions) {
    this.#text = text;
    this.#type = type;
    this.#options = options;
  }

  get isDryRun(): boolean {
    return this.#dryRuns > 0;
  }

  read(data: JsonSpan): void {
    if (kindAt(this.#text, data) === 'array') this.#each(data, (element) => this.#readOne(element));
    else this.#readOne(data);
    if (this.refusal !== undefined || this.isFull) return;
    if (this.commands.length === 0) this.#fail(`value.data is empty; ${this.#type} needs something to work on`);
    if (this.#dryRuns > 0 && this.#dryRuns < this.commands.length) {
      this.#fail('value.data has patterns with and without dryRun; send two events');
    }
  }

  #readOne(span: JsonSpan): void {
    if (this.#type === 'SET') this.#readSet(span);
    else if (this.#type === 'DELETE_PATTERN') this.#readPattern(span);
    else this.#readNames(span);
  }

  // Precedence: a url is fetched; key and value are that pair; anything else is a plain map.
  #readSet(span: JsonSpan): void {
    const members = this.#members(span);
    if (members === undefined || findMember(members, 'url') !== undefined) {
      const isUrl = members !== undefined || (stringAt(this.#text, span) ?? '').includes('://');
      this.#fail(
        isUrl
          ? 'value.data names a URL, and fetching blobs is not part of this version; send the value itself'
          : `value.data of SET takes an object like {"key":…,"value":…} or {"a":1}, but got ${excerptAt(this.#text, span)}`,
      );
      return;
    }
    const key = findMember(members, 'key');
    const value = findMember(members, 'value');
    if (key !== undefined && value !== undefined) {
      const name = stringAt(this.#text, key);
      if (name === undefined) this.#add(this.#refuseName(key, 'value.data.key'));
      else this.#put(name, value, 'value.data.key');
      return;
    }
    this.isSingle = false;
    // A Map, because the last member of a name wins and a name may be __proto__.
    for (const [name, member] of new Map(members.map((member) => [member.name, member])))
      this.#put(name, member, 'value.data');
  }

  #put(key: string, span: JsonSpan, field: string): void {
    const { limits, room: _, ...options } = this.#options;
    const value = jsonPayload(this.#text.slice(span.start, span.end));
    this.#add(
      refuseKey(key, limits.keyBytesMax, field) ??
        refuseValueSize(value, limits.valueBytesMax, 'value.data') ?? { op: 'put', key, value, ...options },
    );
  }

  // A key, {"key":K} or {"keys":[…]}.
  #readNames(span: JsonSpan): void {
    const members = this.#members(span);
    if (members === undefined) {
      this.#name(span, 'value.data');
      return;
    }
    const key = findMember(members, 'key');
    const keys = findMember(members, 'keys');
    if (key === undefined && keys === undefined) {
      this.#fail(
        `value.data of ${this.#type} takes a key, {"key":…} or {"keys":[…]}, but got ${excerptAt(this.#text, span)}`,
      );
    }
    if (key !== undefined) this.#name(key, 'value.data.key');
    if (keys === undefined) return;
    if (kindAt(this.#text, keys) === 'array') this.#each(keys, (element) => this.#name(element, 'value.data.keys'));
    else this.#fail(`value.data.keys takes an array of keys, but got ${excerptAt(this.#text, keys)}`);
  }

  #name(span: JsonSpan, field: string): void {
    const key = stringAt(this.#text, span);
    if (key === undefined) this.#add(this.#refuseName(span, field));
    else {
      const op = this.#type === 'GET' ? 'read' : 'remove';
      this.#add(refuseKey(key, this.#options.limits.keyBytesMax, field) ?? { op, key });
    }
  }

  // A pattern or {"pattern":P,"dryRun":true}.
  #readPattern(span: JsonSpan): void {
    const members = this.#members(span);
    const named = members === undefined ? span : findMember(members, 'pattern');
    const pattern = named === undefined ? undefined : stringAt(this.#text, named);
    const dryRun = members === undefined ? undefined : findMember(members, 'dryRun');
    const dryRunKind = dryRun === undefined ? 'false' : kindAt(this.#text, dryRun);
    if (pattern === undefined) {
      this.#fail(
        `value.data of DELETE_PATTERN takes a pattern or {"pattern":…}, but got ${excerptAt(this.#text, span)}`,
      );
    } else if (dryRunKind !== 'true' && dryRunKind !== 'false') {
      this.#fail(`value.data.dryRun takes true or false, but got ${excerptAt(this.#text, dryRun as JsonSpan)}`);
    } else {
      const isDryRun = dryRunKind === 'true';
      if (isDryRun) this.#dryRuns += 1;
      const refusal = refusePattern(pattern, this.#options.limits.keyBytesMax, 'value.data.pattern');
      this.#add(refusal ?? { op: 'removeMatching', pattern, ...(isDryRun ? { dryRun: true } : {}) });
    }
  }

  #each(span: JsonSpan, read: (element: JsonSpan) => void): void {
    this.isSingle = false;
    const elements = scanElements(this.#text, span.start, span.end, this.#options.room);
    if (isFault(elements)) this.isFull = true;
    else {
      for (const element of elements) {
        if (this.refusal !== undefined || this.isFull) return;
        read(element);
      }
    }
  }

  #members(span: JsonSpan): JsonMember[] | undefined {
    const members = scanMembers(this.#text, span.start, span.end);
    return isFault(members) ? undefined : members;
  }

  #refuseName(span: JsonSpan, field: string): Refusal {
    return refuse('key-invalid', `${field} takes a key, a string, but got ${excerptAt(this.#text, span)}.`, field);
  }

  #add(command: Command | Refusal): void {
    if (this.commands.length >= this.#options.room) this.isFull = true;
    else this.commands.push(command);
  }

  #fail(message: string): void {
    this.refusal ??= refuse('event-invalid', `${message}.`, 'value.data');
  }
}

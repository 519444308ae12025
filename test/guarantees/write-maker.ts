/** What a writer sends next: every kind of write, each value unlike any other, so that a change names its write. */
import { formatVersion } from '@latchkey/client';
import type { Random } from './random.ts';
import type { Put, Recorder, Write } from './recorder.ts';
import type { Target } from './target.ts';

export interface WriterOptions {
  readonly name: string;
  readonly target: Target;
  readonly recorder: Recorder;
  readonly busyKeys: readonly string[];
  readonly rareKeys: readonly string[];
}

/** Late wherever there is an entry, or a tombstone that was not collected. */
const LONG_AGO = '2001-09-09T01:46:40Z';
const RARE_SHARE = 0.12;

/** A rare key gets so many writes by one writer, one soon after the other, and then none for long. */
const RARE_WRITES = 3;

export class WriteMaker {
  readonly #options: WriterOptions;
  readonly #random: Random;
  #count = 0;
  #rareCount: number;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#random = options.target.random.fork();
    this.#rareCount = this.#random.between(0, options.rareKeys.length * RARE_WRITES);
  }

  /** A put (with or without an expiry) or a remove: what `PUT` and `DELETE` of a key can say. */
  plain(): Write & { readonly op: 'put' | 'remove' } {
    const key = this.#key();
    if (this.#random.chance(this.#options.rareKeys.includes(key) ? 0.4 : 0.12)) return { op: 'remove', key };
    return this.#put(key);
  }

  /** A put, now and then under a condition. */
  put(): Put {
    const key = this.#key();
    const roll = this.#random.next();
    if (roll < 0.1) return { op: 'put', key, value: this.#value(), ifAbsent: true };
    if (roll < 0.2) return { op: 'put', key, value: this.#value(), ...this.#lastVersionOf(key) };
    return this.#put(key);
  }

  /** The same key of the log, another value. */
  other({ key }: Put): Put {
    return { op: 'put', key, value: this.#value() };
  }

  #put(key: string): Put {
    const put = { op: 'put', key, value: this.#value() } as const;
    if (this.#random.chance(0.08)) return { ...put, ttl: this.#seconds() };
    if (this.#random.chance(0.08)) return { ...put, valid: this.#soon() };
    return put;
  }

  next(): Write {
    const roll = this.#random.next();
    if (roll < 0.01) return { op: 'removeMatching', pattern: `${this.#random.pick(['a', 'b'])}.1?` };
    const key = this.#key();
    if (roll < 0.15) return { op: 'merge', key, value: this.#patch() };
    if (roll < 0.2) return { op: 'put', key, value: this.#value(), ifAbsent: true };
    if (roll < 0.23) return { op: 'expire', key, ttl: this.#random.chance(0.3) ? null : this.#seconds() };
    if (roll < 0.26) return { op: 'put', key, value: this.#value(), updated: LONG_AGO };
    if (roll < 0.36) return { op: 'put', key, value: this.#value(), ...this.#lastVersionOf(key) };
    return this.plain();
  }

  many(): readonly Write[] {
    return Array.from({ length: this.#random.between(1, 30) }, () => this.next());
  }

  #key(): string {
    const { busyKeys, rareKeys } = this.#options;
    if (!this.#random.chance(RARE_SHARE)) return this.#random.pick(busyKeys);
    this.#rareCount += 1;
    return rareKeys[Math.floor(this.#rareCount / RARE_WRITES) % rareKeys.length] as string;
  }

  #name(): string {
    this.#count += 1;
    return `${this.#options.name}-${this.#count}`;
  }

  #value(): unknown {
    const text = `${this.#name()}${'.'.repeat(this.#random.between(0, 200))}`;
    return this.#random.chance(0.3) ? { put: text, f1: 1 } : text;
  }

  #patch(): Readonly<Record<string, unknown>> {
    const field = `f${this.#random.between(1, 3)}`;
    return this.#random.chance(0.2) ? { [field]: null } : { [field]: this.#name() };
  }

  /** Of the newest write to the key that this run knows of; another writer may have been there since. */
  #lastVersionOf(key: string): { readonly ifVersion?: string } {
    const last = this.#options.recorder.lastOf(key);
    return last === undefined ? {} : { ifVersion: formatVersion(last, 1) };
  }

  #seconds(): number {
    return this.#random.between(1, 30) / 10;
  }

  // By the machine's clock, as senders have it; the server's may be elsewhere.
  #soon(): string {
    return new Date(Date.now() + this.#random.between(100, 3000)).toISOString();
  }
}

import type { Selected } from './selection.ts';

export interface Noticed extends Selected {
  /** When it was first noticed, on the clock of `monotonicMs`. */
  readonly sinceMs: number;
  /** How it went, where the notice said so and nothing came after it. */
  readonly reason: 'expired' | 'evicted' | undefined;
}

/**
 * The keys that are to be read because something happened to them. A key that is noticed many times stands once; one that is noticed while
 * it is being read stands again.
 *
 * Invariant: there are at most `keysMax` keys; of those that found no place, `hasLost` tells.
 */
export class NoticedKeys {
  readonly #keys = new Map<string, Noticed>();
  readonly #keysMax: number;
  #hasLost = false;

  constructor(keysMax: number) {
    this.#keysMax = keysMax;
  }

  get size(): number {
    return this.#keys.size;
  }

  /** Since when the oldest one waits. */
  get sinceMs(): number | undefined {
    const oldest = this.#keys.values().next();
    return oldest.done === true ? undefined : oldest.value.sinceMs;
  }

  get hasLost(): boolean {
    return this.#hasLost;
  }

  /** False where there was no place for it. */
  add(key: Selected, nowMs: number, event?: string): boolean {
    const known = this.#keys.get(key.redisKey);
    if (known === undefined && this.#keys.size >= this.#keysMax) {
      this.#hasLost = true;
      return false;
    }
    const reason = event === 'expired' || event === 'evicted' ? event : undefined;
    this.#keys.set(key.redisKey, { ...key, reason, sinceMs: known?.sinceMs ?? nowMs });
    return true;
  }

  /** The oldest ones, which are then no longer here. */
  take(max: number): readonly Noticed[] {
    const taken: Noticed[] = [];
    for (const [name, key] of this.#keys) {
      if (taken.length === max) break;
      taken.push(key);
      this.#keys.delete(name);
    }
    return taken;
  }

  /** Everything is looked at anew, so what was lost is found. */
  forgive(): void {
    this.#hasLost = false;
  }

  clear(): void {
    this.#keys.clear();
    this.#hasLost = false;
  }
}

import type { ChannelListener, Channels } from '../../shared/channels.ts';

/**
 * What one connection listens to.
 *
 * Invariant: `channels` has this connection's listener under exactly the names and patterns held here.
 */
export class Subscriptions {
  readonly #channels: Channels;
  readonly #listener: ChannelListener;
  readonly #names = new Map<string, () => void>();
  readonly #patterns = new Map<string, () => void>();

  constructor(channels: Channels, listener: ChannelListener) {
    this.#channels = channels;
    this.#listener = listener;
  }

  get names(): number {
    return this.#names.size;
  }

  get patterns(): number {
    return this.#patterns.size;
  }

  get count(): number {
    return this.#names.size + this.#patterns.size;
  }

  list(kind: 'names' | 'patterns'): readonly string[] {
    return [...(kind === 'names' ? this.#names : this.#patterns).keys()];
  }

  /** @throws LatchkeyError `overloaded` */
  add(kind: 'names' | 'patterns', name: string): void {
    const held = kind === 'names' ? this.#names : this.#patterns;
    if (held.has(name)) return;
    const leave =
      kind === 'names'
        ? this.#channels.subscribe(name, this.#listener)
        : this.#channels.subscribePattern(name, this.#listener);
    held.set(name, leave);
  }

  remove(kind: 'names' | 'patterns', name: string): void {
    const held = kind === 'names' ? this.#names : this.#patterns;
    held.get(name)?.();
    held.delete(name);
  }

  clear(): void {
    for (const leave of [...this.#names.values(), ...this.#patterns.values()]) leave();
    this.#names.clear();
    this.#patterns.clear();
  }
}

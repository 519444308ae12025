/**
 * One mirror for each filter that components ask for, however many they are. It stands between the client and the hooks.
 *
 * Invariant: a mirror is in `#held` from the first `hold` of its filter until shortly after the last one was released.
 */
import type { Filter, LatchkeyClient, Mirror } from '@latchkey/client';

interface Held {
  readonly mirror: Mirror;
  holders: number;
}

export class Mirrors {
  readonly #client: LatchkeyClient;
  readonly #held = new Map<string, Held>();

  constructor(client: LatchkeyClient) {
    this.#client = client;
  }

  /** The mirror of a filter that somebody holds. It opens nothing, so that rendering may call it. */
  find(filter: Filter): Mirror | undefined {
    return this.#held.get(JSON.stringify(filter))?.mirror;
  }

  /** Opens the mirror where nobody holds it yet; the function it gives is to be called once. */
  hold(filter: Filter): readonly [Mirror, () => void] {
    const name = JSON.stringify(filter);
    const held = this.#held.get(name) ?? { mirror: this.#client.mirror(filter), holders: 0 };
    this.#held.set(name, held);
    held.holders += 1;
    return [held.mirror, () => this.#release(name, held)];
  }

  #release(name: string, held: Held): void {
    held.holders -= 1;
    // Not at once: a component that is mounted again, as in StrictMode, shall find what it left.
    setTimeout(() => {
      if (held.holders > 0 || this.#held.get(name) !== held) return;
      this.#held.delete(name);
      held.mirror.close();
    }, 0);
  }
}

/**
 * Finds a run of characters and classes in a text, all its places at a time: one bit for each token says whether the run fits so
 * far (Shift-And, Baeza-Yates and Gonnet 1992). Trying place after place takes a hundred times as long for a long run of classes.
 *
 * Invariant: `#masks` holds, for at most `MASKS_MAX` characters, which of the tokens take them.
 */
export class RunSearch<Token> {
  readonly #tokens: readonly Token[];
  readonly #takes: (token: Token, point: number) => boolean;
  readonly #masks = new Map<number, Int32Array>();
  readonly #state: Int32Array;
  readonly #lastBit: number;

  /** At least one token. */
  constructor(tokens: readonly Token[], takes: (token: Token, point: number) => boolean) {
    this.#tokens = tokens;
    this.#takes = takes;
    this.#state = new Int32Array(Math.ceil(tokens.length / BITS));
    this.#lastBit = 1 << ((tokens.length - 1) % BITS);
  }

  /** The end of the leftmost place at or behind `start` where the run fits, else -1. */
  find(text: string, start: number): number {
    const state = this.#state.fill(0);
    const last = state.length - 1;
    for (let at = start; at < text.length; ) {
      const point = text.codePointAt(at) as number;
      at += point > 0xffff ? 2 : 1;
      const mask = this.#masks.get(point) ?? this.#maskOf(point);
      // The run may begin at any place.
      let carry = 1;
      for (let word = 0; word <= last; word += 1) {
        const before = state[word] as number;
        state[word] = ((before << 1) | carry) & (mask[word] as number);
        carry = before >>> (BITS - 1);
      }
      if (((state[last] as number) & this.#lastBit) !== 0) return at;
    }
    return -1;
  }

  #maskOf(point: number): Int32Array {
    const mask = new Int32Array(this.#state.length);
    for (const [index, token] of this.#tokens.entries()) {
      if (!this.#takes(token, point)) continue;
      const word = Math.floor(index / BITS);
      mask[word] = (mask[word] as number) | (1 << (index % BITS));
    }
    if (this.#masks.size >= MASKS_MAX) this.#masks.clear();
    this.#masks.set(point, mask);
    return mask;
  }
}

const BITS = 32;
const MASKS_MAX = 256;

/**
 * Answers to plain reads that were given before and still hold. It stands between the plain reader and the store: while the head
 * has not moved nothing has changed, and a record never changes, so an entry that still lies where it lay needs no reading. It keeps
 * no entry whose answer depends on the time.
 *
 * Invariant: an answer is handed out only at the head it was last checked at, and there are at most `2 × answersMax`.
 */
export interface PreparedAnswer {
  readonly offset: number;
  readonly etag: string;
  /** Names and values; the second one is the position's text. */
  readonly headers: string[];
  readonly notModified: string[];
  /** Each character a byte. */
  readonly body: string;
  /** The head at which it held. */
  head: number;
}

const ANSWERS_MAX = 2048;

export class PreparedAnswers {
  #recent = new Map<string, PreparedAnswer>();
  #older = new Map<string, PreparedAnswer>();
  readonly #answersMax: number;

  constructor(answersMax = ANSWERS_MAX) {
    this.#answersMax = answersMax;
  }

  get size(): number {
    return this.#recent.size + this.#older.size;
  }

  get(key: string): PreparedAnswer | undefined {
    const recent = this.#recent.get(key);
    if (recent !== undefined) return recent;
    const older = this.#older.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: string, answer: PreparedAnswer): void {
    if (this.#recent.size >= this.#answersMax) {
      this.#older = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(key, answer);
  }

  clear(): void {
    this.#recent = new Map();
    this.#older = new Map();
  }
}

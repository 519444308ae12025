/** Who waits while a Redis can't be reached is told so after this time. */
const PATIENCE_MS = 2000;

/** How long writes wait for a Redis that does not answer; then they are told, and others are refused at once until it does. */
export class Patience {
  readonly #onLost: () => void;
  #timer: NodeJS.Timeout | undefined;
  #isLost = false;

  constructor(onLost: () => void) {
    this.#onLost = onLost;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /** Something is not answered. */
  begin(): void {
    this.#timer ??= setTimeout(() => {
      this.#isLost = true;
      this.#onLost();
    }, PATIENCE_MS);
    this.#timer.unref();
  }

  /** It was. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isLost = false;
  }
}

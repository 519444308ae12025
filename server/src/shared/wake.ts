/** One note that something happened, kept until somebody waits for it. */
export class Wake {
  #isSet = false;
  #waiter: (() => void) | undefined;

  set(): void {
    this.#isSet = true;
    this.#waiter?.();
  }

  /** Resolves at the next note, at once where there is one, or after `timeoutMs`. One waiter at a time. */
  wait(timeoutMs: number): Promise<void> {
    if (this.#isSet) {
      this.#isSet = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiter = undefined;
        this.#isSet = false;
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.#waiter = done;
    });
  }
}

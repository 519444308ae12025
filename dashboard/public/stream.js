/**
 * The watch of this page over the browser's own EventSource, which resumes by itself with the last id it saw. Where it gives up
 * (any answer but 200), this asks the server why, and comes back by position with growing, random waits.
 *
 * Invariant: at most one EventSource is open, and it is the one of the filter asked for last.
 */

const DELAY_MAX_MS = 30_000;

export class Stream {
  #source;
  #timer;
  #filter = {};
  #position;
  #attempt = 0;
  #on;

  /**
   * `on.state(state, message)`: `connecting`, `behind` (a snapshot or a catch-up runs), `live`, `reconnecting`, `refused`.
   * `on.change(data)`, `on.reset()`, `on.conflated()`, `on.position(position)`.
   */
  constructor(on) {
    this.#on = on;
  }

  /** Forgets everything and watches this filter: `{ prefix }` or `{ pattern }`; an empty term is every key. */
  watch(filter) {
    this.#filter = filter;
    this.#position = undefined;
    this.#attempt = 0;
    this.#on.reset();
    this.#on.state('connecting');
    this.#open();
  }

  /** Now, without waiting for the delay that runs. */
  retry() {
    if (this.#timer === undefined) return;
    this.#open();
  }

  #url() {
    const query = new URLSearchParams();
    for (const [name, term] of Object.entries(this.#filter)) if (term !== '') query.set(name, term);
    if (this.#position !== undefined) query.set('from', this.#position);
    return `v1/watch?${query}`;
  }

  #open() {
    this.#source?.close();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const source = new EventSource(this.#url());
    this.#source = source;
    const listen = (name, act) => source.addEventListener(name, (event) => this.#take(event, act));
    listen('message', (data) => this.#on.change(data));
    listen('opened', () => this.#on.state('behind'));
    listen('progress', () => {});
    listen('bye', (data) => this.#comeBack(source, JSON.parse(data).afterMs));
    listen('synced', () => {
      this.#attempt = 0;
      this.#on.state('live');
    });
    listen('reset', () => {
      this.#on.reset();
      this.#on.state('behind');
    });
    listen('conflated', () => {
      this.#on.conflated();
      this.#on.state('behind');
    });
    source.addEventListener('error', () => this.#failed(source));
  }

  #take(event, act) {
    if (event.lastEventId !== '') {
      this.#position = event.lastEventId;
      this.#on.position(event.lastEventId);
    }
    act(event.data);
  }

  // A browser would be back after `retry:`; the server spreads its watchers further when it stops.
  #comeBack(source, afterMs) {
    source.close();
    this.#on.state('reconnecting');
    this.#timer = setTimeout(() => this.#open(), afterMs);
  }

  #failed(source) {
    if (source !== this.#source) return;
    if (source.readyState === EventSource.CONNECTING) this.#on.state('reconnecting');
    else void this.#explain(source);
  }

  async #explain(source) {
    let message;
    let isRefused = false;
    const abort = new AbortController();
    try {
      const response = await fetch(this.#url(), { signal: abort.signal });
      isRefused = response.status >= 400 && response.status < 500 && response.status !== 429;
      if (!response.ok) message = (await response.json()).error?.message;
    } catch {
      // No answer, or not from Latchkey: it is tried again.
    } finally {
      abort.abort();
    }
    if (source !== this.#source) return;
    if (isRefused) {
      this.#on.state('refused', message ?? 'The server refused this filter.');
      return;
    }
    this.#on.state('reconnecting', message);
    const delayMs = Math.random() * Math.min(DELAY_MAX_MS, 1000 * 2 ** this.#attempt);
    this.#attempt = Math.min(this.#attempt + 1, 10);
    this.#timer = setTimeout(() => this.#open(), delayMs);
  }
}

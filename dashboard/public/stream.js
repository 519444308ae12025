/**
 * A watch over the browser's own EventSource, which resumes by itself with the last id it saw. Where it gives up (any answer but
 * 200), this asks the server why, and comes back by position with growing, random waits. A server that says nothing for longer
 * than it ever should is taken for gone.
 *
 * Invariant: at most one EventSource is open, and it is the one that was asked for last.
 */

const DELAY_MAX_MS = 30_000;
const SILENCE_MAX_MS = 60_000;
const SILENCE_CHECK_MS = 5000;

/** @typedef {'connecting' | 'behind' | 'live' | 'reconnecting' | 'refused' | 'closed'} StreamState */

export class Stream {
  #source;
  #timer;
  #silence;
  #filter = new URLSearchParams();
  #position;
  #attempt = 0;
  #heardAtMs = 0;
  #on;

  /**
   * @param {{ state: (state: StreamState, message?: string) => void, change: (data: string) => void,
   *   reset: () => void, conflated?: () => void }} on `reset`: the stream begins anew with a snapshot of what there is
   */
  constructor(on) {
    this.#on = on;
  }

  /** Where it has got to. @returns {string | undefined} */
  get position() {
    return this.#position;
  }

  /** @param {URLSearchParams} filter of `key`, `prefix` and `pattern` @param {string} from a position, or `now` */
  watch(filter, from) {
    this.#filter = filter;
    this.#position = from;
    this.#attempt = 0;
    this.#on.state('connecting');
    this.#open();
    clearInterval(this.#silence);
    this.#silence = setInterval(() => this.#checkSilence(), SILENCE_CHECK_MS);
  }

  close() {
    this.#source?.close();
    this.#source = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    clearInterval(this.#silence);
  }

  /** Now, without waiting for the delay that runs. */
  retry() {
    if (this.#timer !== undefined) this.#open();
  }

  #url() {
    const query = new URLSearchParams(this.#filter);
    if (this.#position !== undefined) query.set('from', this.#position);
    return `v1/watch?${query}`;
  }

  #open() {
    this.#source?.close();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#heardAtMs = performance.now();
    const source = new EventSource(this.#url());
    this.#source = source;
    const listen = (name, act) => source.addEventListener(name, (event) => this.#take(source, event, act));
    listen('message', (data) => this.#on.change(data));
    listen('opened', () => this.#on.state('behind'));
    listen('progress', () => {});
    listen('bye', (data) => this.#comeBack(source, JSON.parse(data).afterMs));
    listen('synced', () => {
      this.#attempt = 0;
      this.#on.state('live');
    });
    listen('reset', () => this.#on.reset());
    listen('conflated', () => {
      this.#on.conflated?.();
      this.#on.state('behind');
    });
    source.addEventListener('error', () => this.#failed(source));
  }

  #take(source, event, act) {
    // What acted on the event before may have closed this one.
    if (source !== this.#source) return;
    this.#heardAtMs = performance.now();
    if (event.lastEventId !== '') this.#position = event.lastEventId;
    act(event.data);
  }

  // A browser would be back after `retry:`; the server spreads its watchers further when it stops.
  #comeBack(source, afterMs) {
    source.close();
    this.#on.state('reconnecting');
    this.#timer = setTimeout(() => this.#open(), afterMs);
  }

  #checkSilence() {
    if (this.#timer !== undefined || performance.now() - this.#heardAtMs < SILENCE_MAX_MS) return;
    this.#on.state('reconnecting');
    this.#open();
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

/**
 * What `/metrics` says over the last minutes: asked every two seconds while somebody looks, kept in a ring, and made into rates.
 *
 * Invariant: `samples` holds at most `SAMPLES_MAX` samples, oldest first; one without an answer has no numbers.
 */
import { call } from './server.js';

const INTERVAL_MS = 2000;
export const SAMPLES_MAX = 300;
const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** @typedef {{ atMs: number, isAnswered: boolean, keys?: number, bytes?: number, watchers?: number, behind?: number,
 *   deadLetters?: number, memory?: number, delay?: number, changes?: number, deliveries?: number, requests?: number,
 *   lags?: Record<string, number> }} Sample `changes`, `deliveries` and `requests` are a second's; `delay` and lags in what the metric has */

export class Measures {
  /** @type {Sample[]} */
  samples = [];
  /** @type {(sample: Sample) => void} */
  onSample = () => {};
  #before;

  get latest() {
    return this.samples.at(-1);
  }

  start() {
    const take = async () => {
      if (!document.hidden) await this.#take();
      setTimeout(() => void take(), INTERVAL_MS);
    };
    void take();
  }

  async #take() {
    let sample = /** @type {Sample} */ ({ atMs: Date.now(), isAnswered: false });
    try {
      const totals = totalsOf(await call('metrics', { as: 'text' }));
      sample = sampleOf(totals, this.#before, Date.now());
      this.#before = { totals, atMs: sample.atMs };
    } catch {
      // Shown as a gap.
    }
    this.samples.push(sample);
    if (this.samples.length > SAMPLES_MAX) this.samples.shift();
    this.onSample(sample);
  }
}

/** The samples of a text in the exposition format. @param {string} text @returns {{ name: string, labels: Record<string, string>, value: number }[]} */
export function parseMetrics(text) {
  const found = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) continue;
    const match = SAMPLE.exec(line);
    if (match === null) continue;
    const labels = Object.fromEntries([...(match[2] ?? '').matchAll(LABEL)].map(([, name, value]) => [name, value]));
    found.push({ name: match[1], labels, value: Number(match[3]) });
  }
  return found;
}

function totalsOf(text) {
  const totals = { lags: {} };
  const sum = (name, value) => {
    totals[name] = (totals[name] ?? 0) + value;
  };
  const names = {
    latchkey_log_head: 'changes',
    latchkey_feed_deliveries_total: 'deliveries',
    latchkey_http_request_duration_seconds_count: 'requests',
    latchkey_view_keys: 'keys',
    latchkey_view_bytes: 'bytes',
    latchkey_feed_watchers: 'watchers',
    latchkey_feed_behind: 'behind',
    latchkey_dead_letters: 'deadLetters',
    process_resident_memory_bytes: 'memory',
    nodejs_eventloop_lag_p99_seconds: 'delay',
  };
  for (const { labels, name, value } of parseMetrics(text)) {
    if (Object.hasOwn(names, name)) sum(names[name], value);
    const lag = /^latchkey_(source|sink)_\w*lag/.exec(name);
    if (lag !== null) {
      const who = labels[lag[1]] ?? lag[1];
      totals.lags[who] = Math.max(totals.lags[who] ?? 0, value);
    }
  }
  return totals;
}

/** @param {any} totals @param {{ totals: any, atMs: number } | undefined} before @param {number} atMs @returns {Sample} */
export function sampleOf(totals, before, atMs) {
  const { changes, deliveries, requests, ...gauges } = totals;
  const seconds = before === undefined ? 0 : (atMs - before.atMs) / 1000;
  const rate = (name) => {
    const grown = totals[name] - before?.totals[name];
    // A server that began anew counts from nothing: no rate is known for that moment.
    return seconds > 0 && grown >= 0 ? grown / seconds : undefined;
  };
  return {
    atMs,
    isAnswered: true,
    ...gauges,
    changes: rate('changes'),
    deliveries: rate('deliveries'),
    requests: rate('requests'),
  };
}

export { totalsOf };

/** Status: how much goes through, how far everybody is, and what this server is; the last minutes as plots. */
import { el, setText } from '../element.js';
import { Plot } from '../parts/plot.js';
import { call, faultOf } from '../server.js';
import { countingText } from '../times.js';
import { previewText, sizeText } from '../values.js';

const number = new Intl.NumberFormat();
const short = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 });
const count = (value) =>
  value >= 10_000 ? short.format(value) : number.format(value >= 10 ? Math.round(value) : Math.round(value * 10) / 10);
const milliseconds = (seconds) => `${(seconds * 1000).toFixed(seconds >= 0.1 || seconds === 0 ? 0 : 1)} ms`;

/** Sizes are counted by powers of two. */
const BINARY = Array.from({ length: 48 }, (_, power) => 2 ** power);

const PLOTS = [
  { title: 'Changes/s', series: [{ name: 'changes', of: ({ changes }) => changes }], format: count },
  { title: 'Deliveries/s', series: [{ name: 'deliveries', of: ({ deliveries }) => deliveries }], format: count },
  {
    title: 'Watchers',
    series: [
      { name: 'all', of: ({ watchers }) => watchers },
      { name: 'behind', of: ({ behind }) => behind },
    ],
    format: count,
  },
  { title: 'Requests/s', series: [{ name: 'requests', of: ({ requests }) => requests }], format: count },
  { title: 'Keys', series: [{ name: 'keys', of: ({ keys }) => keys }], format: count },
  {
    title: 'View on disk',
    series: [{ name: 'bytes', of: ({ bytes }) => bytes }],
    format: sizeText,
    increments: BINARY,
  },
  {
    title: 'Event loop, p99',
    series: [{ name: 'delay', of: ({ delay }) => delay }],
    format: milliseconds,
  },
  { title: 'Memory', series: [{ name: 'memory', of: ({ memory }) => memory }], format: sizeText, increments: BINARY },
];
/** Asked every two seconds: what is younger is as young as it gets. */
const FRESH_MS = 4000;
/** Fields of a source or sink that have columns of their own. */
const KNOWN = new Set(['name', 'kind', 'ready', 'reason', 'notice', 'lastGap']);

export class StatusView {
  title = 'Status';
  #shell;
  #plots = PLOTS.map((what) => new Plot(what));
  #lag;
  #lagNames = '';
  #status;
  #loading;
  #grid = el('div', { class: 'plots' }, ...this.#plots.map(({ element }) => element));
  #notice = el('p', { class: 'notice', role: 'status', hidden: true });
  #facts = el('dl', { class: 'facts' });
  #parts = el('div', { class: 'parts' });
  #updated = el('p', { class: 'range' });
  #partsText = '';
  #sampledAtMs;
  element = el(
    'div',
    { class: 'view' },
    el('div', { class: 'head' }, el('h1', { text: 'Status' }), this.#updated),
    this.#notice,
    this.#facts,
    this.#grid,
    this.#parts,
  );

  constructor(shell) {
    this.#shell = shell;
  }

  show() {
    const { latest } = this.#shell.measures;
    this.#shell.state(latest === undefined ? 'connecting' : latest.isAnswered ? 'answering' : 'away');
    if (latest !== undefined) this.sampled(latest);
    else void this.#load();
  }

  hide() {
    this.#loading?.abort();
  }

  themeChanged() {
    for (const plot of this.#plots) plot.redraw();
    this.#lag?.redraw();
  }

  tick(nowMs) {
    if (this.#sampledAtMs === undefined) return;
    const agoMs = nowMs - this.#sampledAtMs;
    setText(this.#updated, agoMs < FRESH_MS ? 'up to date' : `asked ${countingText(agoMs)} ago`);
  }

  sampled(sample) {
    const { samples } = this.#shell.measures;
    this.#shell.state(
      sample.isAnswered ? 'answering' : 'away',
      sample.isAnswered ? undefined : 'The server does not answer.',
    );
    // What an answer says of the log is told when it is there, so that a notice which stays does not flicker.
    if (!sample.isAnswered)
      this.#setNotice('The server does not answer. What is shown below is how it was; this page goes on by itself.');
    if (sample.isAnswered) {
      this.#sampledAtMs = this.#shell.now();
      setText(this.#updated, 'up to date');
    }
    for (const plot of this.#plots) plot.show(samples);
    this.#showLags(samples);
    if (sample.isAnswered) void this.#load();
  }

  #setNotice(text) {
    this.element.dataset.state = text === undefined ? 'live' : 'reconnecting';
    this.#notice.hidden = text === undefined;
    this.#notice.dataset.kind = 'reconnecting';
    setText(this.#notice, text ?? '');
  }

  // Only where a source or sink tells how far it is behind.
  #showLags(samples) {
    const names = [...new Set(samples.flatMap(({ lags }) => Object.keys(lags ?? {})))].slice(0, 4);
    if (names.length === 0) return;
    if (names.join() !== this.#lagNames) {
      this.#lag?.element.remove();
      this.#lagNames = names.join();
      this.#lag = new Plot({
        title: 'Lag of sources and sinks',
        series: names.map((name) => ({ name, of: ({ lags }) => lags?.[name] })),
        format: count,
      });
      this.#grid.append(this.#lag.element);
    }
    this.#lag.show(samples);
  }

  async #load() {
    this.#loading?.abort();
    const loading = new AbortController();
    this.#loading = loading;
    try {
      this.#status = await call('v1/status', { signal: loading.signal });
      if (!loading.signal.aborted) this.#draw();
    } catch (error) {
      if (!loading.signal.aborted) this.#setNotice(faultOf(error).message);
    }
  }

  #draw() {
    const { feed, log, node, sinks, sources, version, view, workers } = this.#status;
    const list = (value) =>
      [value]
        .flat()
        .map((each) => number.format(Number(each)))
        .join(', ');
    this.#setNotice(log.ready === false ? `It takes no writes now. ${log.reason ?? ''}`.trim() : undefined);
    this.#drawFacts({
      Keys: number.format(view.keys),
      'On disk': sizeText(view.bytes),
      Head: list(log.head),
      'History from': list(view.historyFloor),
      Watchers: `${number.format(feed.watchers)}${feed.behind > 0 ? `, ${number.format(feed.behind)} behind` : ''}`,
      Log: `${log.kind}, epoch ${log.epoch}`,
      Node: node,
      Version: version,
    });
    // Built anew only where something differs: who reads it with the keyboard stays where they are.
    const text = JSON.stringify([sources, sinks, workers]);
    if (text === this.#partsText) return;
    this.#partsText = text;
    this.#parts.replaceChildren(
      partTable('Sources', sources, 'No source is configured: facts come in over HTTP and WebSocket.'),
      partTable('Sinks', sinks, 'No sink is configured.'),
      ...(workers === undefined ? [] : [workerTable(workers)]),
    );
  }

  #drawFacts(facts) {
    const cells = [...this.#facts.querySelectorAll('dd')];
    const texts = Object.values(facts);
    if (cells.length === texts.length) for (const [index, cell] of cells.entries()) setText(cell, texts[index]);
    else
      this.#facts.replaceChildren(
        ...Object.entries(facts).map(([name, text]) => el('div', {}, el('dt', { text: name }), el('dd', { text }))),
      );
  }
}

function partTable(title, parts, noneText) {
  const more = [...new Set(parts.flatMap((part) => Object.keys(part)))].filter((name) => !KNOWN.has(name)).slice(0, 4);
  const rows = parts.map((part) => [
    part.name,
    part.kind,
    el('span', {
      class: `badge ${part.ready === false ? 'refused' : 'fresh'}`,
      text: part.ready === false ? 'waiting' : 'ready',
    }),
    ...more.map((name) =>
      part[name] === undefined
        ? ''
        : typeof part[name] === 'number'
          ? number.format(part[name])
          : previewText({ kind: 'json', value: part[name] }, 60).replace(/^"|"$/g, ''),
    ),
    part.reason ?? part.notice ?? '',
  ]);
  return section(title, ['Name', 'Kind', 'State', ...more, 'Reason'], rows, noneText);
}

function workerTable(workers) {
  const rows = workers.map(({ answers, connections, feed, number: place, pid, restarts }) => [
    String(place),
    String(pid),
    el('span', { class: `badge ${answers ? 'fresh' : 'refused'}`, text: answers ? 'answers' : 'no answer' }),
    answers ? number.format(connections) : '',
    answers ? number.format(feed.watchers) : '',
    number.format(restarts),
  ]);
  return section('Workers', ['Number', 'Process', 'State', 'Connections', 'Watchers', 'Restarts'], rows, '');
}

function section(title, columns, rows, noneText) {
  const id = `status-${title.toLowerCase()}`;
  const body =
    rows.length === 0
      ? el('p', { class: 'note', text: noneText })
      : el(
          'div',
          { class: 'scroll', tabindex: '0', role: 'group', 'aria-labelledby': id },
          el(
            'table',
            { class: 'table plain' },
            el('thead', {}, el('tr', {}, ...columns.map((text) => el('th', { scope: 'col', text })))),
            el('tbody', {}, ...rows.map((cells) => el('tr', {}, ...cells.map((cell) => el('td', {}, cell))))),
          ),
        );
  return el(
    'section',
    { class: 'panel', 'aria-labelledby': id },
    el('div', { class: 'panel-head' }, el('h2', { id, text: title })),
    body,
  );
}

/**
 * Stream: changes as they happen. It holds the newest of them only; what it leaves out, while it is paused or when they come faster
 * than anybody reads, it counts and says.
 *
 * Invariant: at most `ROWS_MAX` rows are in the document, and as many changes wait for the next frame.
 */
import { el, icon, setText } from '../element.js';
import { onceAFrame } from '../parts/once-a-frame.js';
import { roveAmong } from '../parts/roving.js';
import { addressOf, filterOf, queryOf, SearchBox } from '../parts/search-box.js';
import { Stream } from '../stream.js';
import { momentText } from '../times.js';
import { contentOf, parseExact, previewText } from '../values.js';

const ROWS_MAX = 300;
const PREVIEW_LENGTH_MAX = 300;
/** A longer change is cut when it comes, not when it is drawn. */
const WAITING_LENGTH_MAX = 4096;
const number = new Intl.NumberFormat();
const COLUMNS = [
  ['moment', 'Seen'],
  ['op', 'Change'],
  ['key', 'Key'],
  ['value', 'Value'],
  ['version', 'Version'],
];

export class LiveView {
  title = 'Stream';
  #shell;
  #filter = filterOf(new URLSearchParams());
  #isPaused = false;
  #leftOut = 0;
  #seen = 0;
  /** Changes since the last frame, newest last, each with the moment at which it came; or a text that tells of a break. */
  #waiting = [];
  #schedule = onceAFrame(() => this.#draw());
  #state = 'connecting';
  #message;
  #rate = 0;
  #search = new SearchBox(this.#filter, (filter) => this.#choose(filter));
  #body = el('tbody');
  #roving = roveAmong(this.#body, 'a.key-link');
  #notice = el('p', { class: 'notice', role: 'status', hidden: true });
  #paused = el('p', { class: 'notice paused', role: 'status', hidden: true });
  #pauseText = el('span', { text: 'Pause' });
  #pausePicture = el('span', { class: 'picture' }, icon('pause'));
  #pause = el(
    'button',
    { class: 'button', id: 'pause', type: 'button', 'aria-pressed': 'false', on: { click: () => this.#toggle() } },
    this.#pausePicture,
    this.#pauseText,
  );
  #counts = el('p', { class: 'range' });
  #empty = el(
    'div',
    { class: 'empty' },
    el('p', { text: 'Nothing changed since you came. Changes appear here as they happen.' }),
  );
  #table = el(
    'table',
    { class: 'table stream', hidden: true },
    el('caption', { class: 'hidden', text: 'Changes, newest first.' }),
    el('thead', {}, el('tr', {}, ...COLUMNS.map(([name, text]) => el('th', { scope: 'col', class: name, text })))),
    this.#body,
  );
  #stream = new Stream({
    state: (state, message) => this.#setState(state, message),
    change: (data) => this.#take(data),
    reset: () => {
      this.#break('The log began anew; what came before is another history.');
      this.#watch();
    },
    conflated: () => this.#break('This page was behind: older changes in between were skipped.'),
  });
  element;

  constructor(shell) {
    this.#shell = shell;
    const clear = el('button', { class: 'button', type: 'button', text: 'Clear', on: { click: () => this.#clear() } });
    this.element = el(
      'div',
      { class: 'view' },
      el(
        'div',
        { class: 'head' },
        el('h1', { text: 'Stream' }),
        el('div', { class: 'actions' }, this.#counts, this.#pause, clear),
      ),
      this.#search.element,
      this.#notice,
      this.#paused,
      this.#table,
      this.#empty,
    );
  }

  show(params) {
    this.#filter = filterOf(params);
    this.#search.show(this.#filter);
    this.#clear();
    this.#watch();
  }

  hide() {
    this.#search.dispose();
    this.#stream.close();
  }

  focusSearch() {
    this.#search.focus();
  }

  press(key) {
    if (key !== 'p') return false;
    this.#toggle();
    return true;
  }

  retry() {
    this.#stream.retry();
  }

  tick(_nowMs, changes) {
    this.#rate = changes;
    this.#drawCounts();
  }

  #choose(filter) {
    if (filter.kind === this.#filter.kind && filter.term === this.#filter.term) return;
    this.#shell.go('stream', addressOf(filter), { replace: true });
  }

  #watch() {
    this.#stream.watch(queryOf(this.#filter), 'now');
  }

  #take(data) {
    this.#shell.count();
    if (this.#isPaused) {
      this.#leftOut += 1;
      this.#schedule();
      return;
    }
    this.#seen += 1;
    const atMs = Date.now();
    this.#push(data.length > WAITING_LENGTH_MAX ? { change: shownOf(data), atMs } : { data, atMs });
  }

  #break(text) {
    if (!this.#isPaused) this.#push({ text });
  }

  #push(event) {
    this.#waiting.push(event);
    // In a tab that is not looked at no frame comes, and changes do.
    if (this.#waiting.length > 2 * ROWS_MAX) this.#waiting = this.#waiting.slice(-ROWS_MAX);
    this.#schedule();
  }

  #toggle() {
    this.#isPaused = !this.#isPaused;
    this.#pause.setAttribute('aria-pressed', String(this.#isPaused));
    setText(this.#pauseText, this.#isPaused ? 'Resume' : 'Pause');
    this.#pausePicture.replaceChildren(icon(this.#isPaused ? 'play' : 'pause'));
    if (!this.#isPaused && this.#leftOut > 0) {
      this.#push({
        text: `${number.format(this.#leftOut)} ${this.#leftOut === 1 ? 'change was' : 'changes were'} left out while paused.`,
      });
    }
    if (!this.#isPaused) this.#leftOut = 0;
    this.#setState(this.#state, this.#message);
  }

  #clear() {
    this.#waiting = [];
    this.#seen = 0;
    this.#body.replaceChildren();
    this.#schedule();
  }

  #setState(state, message) {
    this.#state = state;
    this.#message = message;
    this.#shell.state(this.#isPaused && state === 'live' ? 'paused' : state, message);
    this.element.dataset.state = state;
    this.#schedule();
  }

  #draw() {
    // What is not going to be seen is not made.
    const events = this.#waiting.slice(-ROWS_MAX).reverse();
    this.#waiting = [];
    const nowMs = Date.now();
    this.#body.prepend(
      ...events.map((event) => (event.text === undefined ? changeRow(event, nowMs) : breakRow(event.text))),
    );
    while (this.#body.childElementCount > ROWS_MAX) this.#body.lastElementChild?.remove();
    if (events.length > 0) this.#roving.settle();
    const isEmpty = this.#body.childElementCount === 0;
    this.#table.hidden = isEmpty;
    this.#empty.hidden = !isEmpty || this.#state === 'refused';
    this.#drawCounts();
    this.#drawNotices();
  }

  #drawCounts() {
    const kept = Math.min(this.#seen, ROWS_MAX);
    const left =
      this.#seen > kept
        ? `newest ${number.format(kept)} of ${number.format(this.#seen)} seen`
        : `${number.format(this.#seen)} seen`;
    setText(this.#counts, `${left} · ${number.format(this.#rate)}/s`);
  }

  #drawNotices() {
    let text;
    if (this.#state === 'refused') text = this.#message;
    else if (this.#state === 'reconnecting')
      text = `${this.#message ?? 'The connection was lost.'} This page comes back by itself, and shows what came meanwhile.`;
    this.#notice.hidden = text === undefined;
    this.#notice.dataset.kind = this.#state;
    setText(this.#notice, text ?? '');
    this.#paused.hidden = !this.#isPaused;
    // Not more often than it can be read out.
    const count = this.#leftOut < 20 ? this.#leftOut : Number(this.#leftOut.toPrecision(2));
    setText(
      this.#paused,
      this.#isPaused
        ? `Paused. ${count > 19 ? 'About ' : ''}${number.format(count)} ${count === 1 ? 'change' : 'changes'} left out since.`
        : '',
    );
  }
}

function shownOf(data) {
  const change = parseExact(data);
  const { key, op, reason, updated, version } = change;
  return {
    key,
    op,
    reason,
    updated,
    version,
    preview: op === 'remove' ? '' : previewText(contentOf(change), PREVIEW_LENGTH_MAX),
  };
}

function changeRow({ atMs, change, data }, nowMs) {
  const { key, op, preview, reason, updated, version } = change ?? shownOf(data);
  return el(
    'tr',
    { data: { key } },
    el('td', { class: 'moment', text: momentText(atMs, nowMs), title: `updated ${updated}` }),
    el('td', { class: 'op' }, el('span', { class: `badge ${op}`, text: op === 'remove' ? (reason ?? 'removed') : op })),
    el(
      'td',
      { class: 'key' },
      el('a', {
        class: 'key-link',
        href: `#/key?${new URLSearchParams({ k: key })}`,
        tabindex: '-1',
        text: key,
        title: key,
      }),
    ),
    el('td', { class: 'value', text: preview }),
    el('td', { class: 'version', text: version, title: version }),
  );
}

function breakRow(text) {
  return el('tr', { class: 'break' }, el('td', { colspan: '5', text }));
}

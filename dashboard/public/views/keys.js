/**
 * Keys: one page of the store, read once and then kept up by a watch from the position at which it was read, so nothing is missed
 * in between. However many keys there are, no more than a page of them is ever loaded.
 *
 * Invariant: the watch, where there is one, began at or before the moment of the page that is shown.
 */
import { el, icon, setText } from '../element.js';
import { readPage } from '../key-list.js';
import { PageOfKeys } from '../page-of-keys.js';
import { onceAFrame } from '../parts/once-a-frame.js';
import { addressOf, filterOf, queryOf, SearchBox } from '../parts/search-box.js';
import { faultOf } from '../server.js';
import { Stream } from '../stream.js';
import { KeysTable } from './keys-table.js';

const SEARCHING_MS = 400;
/** Who comes back sooner goes on with the page that was left; later changes would take longer than a new page. */
const AWAY_MAX_MS = 60_000;
const RETRY_MS = 2000;
const CONFLATED_NOTICE_MS = 8000;
const number = new Intl.NumberFormat();

export class KeysView {
  title = 'Keys';
  #shell;
  #page = new PageOfKeys();
  #table = new KeysTable(this.#page);
  #changed = new Set();
  #isMoved = false;
  #schedule = onceAFrame(() => this.#draw());
  #filter = filterOf(new URLSearchParams());
  /** Where each page so far begins: the cursor, the last key and the count before it. */
  #places = [{ cursor: undefined, after: undefined, count: 0 }];
  #at = 0;
  #next;
  #isLoaded = false;
  #loading;
  #retry;
  #leftAtMs = Number.NEGATIVE_INFINITY;
  #conflatedAtMs = Number.NEGATIVE_INFINITY;
  /** As the watch last said, for when a page that could not be read has been. */
  #streamState = { state: 'connecting', message: undefined };
  /** Where the watch was some seconds ago, and lately: no process of the server can be behind the former. */
  #passed = { before: undefined, lately: undefined };
  #state = 'connecting';
  #message;
  #stream = new Stream({
    state: (state, message) => {
      this.#streamState = { state, message };
      this.#setState(state, message);
    },
    change: (data) => this.#take(data),
    reset: () => this.#begin(),
    conflated: () => {
      this.#conflatedAtMs = performance.now();
    },
  });
  #search;
  #range = el('p', { class: 'range', role: 'status' });
  #notice = el('p', { class: 'notice', role: 'status', hidden: true });
  #emptyText = el('p');
  #emptyCommand = el('pre', { tabindex: '0', 'aria-label': 'A command to copy' });
  #empty = el('div', { class: 'empty', hidden: true }, this.#emptyText, this.#emptyCommand);
  #buttons;
  element;

  constructor(shell) {
    this.#shell = shell;
    this.#search = new SearchBox(
      this.#filter,
      (filter) => this.#choose(filter),
      ({ kind, term }) => {
        if (kind === 'key' && term !== '') shell.go('key', { k: term });
      },
    );
    const button = (label, name, act) =>
      el(
        'button',
        { class: 'button icon-only', type: 'button', 'aria-label': label, title: label, on: { click: act } },
        icon(name),
      );
    this.#buttons = {
      first: button('First page', 'first', () => this.#turn(0)),
      previous: button('Previous page', 'left', () => this.#turn(this.#at - 1)),
      next: button('Next page', 'right', () => this.#turn(this.#at + 1)),
    };
    const pager = el('nav', { class: 'pager', 'aria-label': 'Pages' }, this.#range, ...Object.values(this.#buttons));
    this.element = el(
      'div',
      { class: 'view' },
      el('div', { class: 'head' }, el('h1', { text: 'Keys' }), pager),
      this.#search.element,
      this.#notice,
      this.#table.element,
      this.#empty,
    );
  }

  show(params) {
    const filter = filterOf(params);
    const isSame = filter.kind === this.#filter.kind && filter.term === this.#filter.term;
    this.#filter = filter;
    this.#search.show(filter);
    const from = this.#passed.before;
    const isBack = isSame && this.#isLoaded && from !== undefined && performance.now() - this.#leftAtMs < AWAY_MAX_MS;
    if (isBack && this.#at > 0) void this.#load(this.#at, from);
    else this.#begin();
  }

  hide() {
    this.#leftAtMs = performance.now();
    this.#search.dispose();
    this.#stop();
  }

  focusSearch() {
    this.#search.focus();
  }

  /** The key that was opened. */
  focusLast() {
    this.#table.focusLast();
  }

  /** Paging by keys: `[` and `]`. */
  press(key) {
    if (key === ']' && !this.#buttons.next.disabled) this.#turn(this.#at + 1);
    else if (key === '[' && !this.#buttons.previous.disabled) this.#turn(this.#at - 1);
    else return false;
    return true;
  }

  retry() {
    this.#stream.retry();
  }

  tick(nowMs) {
    this.#passed = { before: this.#passed.lately, lately: this.#stream.position };
    this.#table.age(nowMs);
    this.#drawAround();
  }

  #choose(filter) {
    if (filter.kind === this.#filter.kind && filter.term === this.#filter.term) return;
    this.#shell.go('keys', addressOf(filter), { replace: true });
  }

  #stop() {
    this.#loading?.abort();
    clearTimeout(this.#retry);
    this.#stream.close();
  }

  /** From the first page of the filter. */
  #begin() {
    this.#stop();
    this.#places = [{ cursor: undefined, after: undefined, count: 0 }];
    this.#page.forget();
    this.#passed = { before: undefined, lately: undefined };
    this.#isLoaded = false;
    this.#setState('connecting');
    void this.#load(0);
  }

  #turn(at) {
    if (this.#places[at] !== undefined) void this.#load(at);
  }

  /** @param {number} at @param {string} [from] where the watch is to go on; a first page says so itself */
  async #load(at, from) {
    this.#loading?.abort();
    clearTimeout(this.#retry);
    const loading = new AbortController();
    this.#loading = loading;
    this.element.setAttribute('aria-busy', 'true');
    const searching = setTimeout(() => setText(this.#range, 'Searching…'), SEARCHING_MS);
    try {
      const page = await readPage(this.#filter, this.#places[at].cursor, loading.signal);
      if (loading.signal.aborted) return;
      this.#shown(at, page);
      if (at === 0 && from === undefined && !this.#isLoaded) {
        this.#passed = { before: page.position, lately: page.position };
        this.#stream.watch(queryOf(this.#filter), page.position);
      } else if (from !== undefined) this.#stream.watch(queryOf(this.#filter), from);
      else this.#setState(this.#streamState.state, this.#streamState.message);
      this.#isLoaded = true;
    } catch (error) {
      if (loading.signal.aborted) return;
      const { isRefusal, message } = faultOf(error);
      this.#setState(isRefusal ? 'refused' : 'reconnecting', message);
      if (!isRefusal) this.#retry = setTimeout(() => void this.#load(at, from), RETRY_MS);
    } finally {
      clearTimeout(searching);
      if (this.#loading === loading) {
        this.element.removeAttribute('aria-busy');
        this.#schedule();
      }
    }
  }

  /** @param {number} at @param {{ entries: any[], cursor?: string }} page */
  #shown(at, { cursor, entries }) {
    const { after, count } = this.#places[at];
    this.#at = at;
    this.#next = cursor;
    if (cursor !== undefined) {
      this.#places[at + 1] = { cursor, after: entries.at(-1)?.key ?? after, count: count + entries.length };
    }
    const isKey = this.#filter.kind === 'key' && this.#filter.term !== '';
    this.#page.show({ entries, after, isLast: cursor === undefined || isKey });
    this.#isMoved = true;
    this.#schedule();
  }

  #take(data) {
    const { is, key } = this.#page.take(data);
    this.#shell.count();
    if (is === 'elsewhere') return;
    if (is === 'moved') this.#isMoved = true;
    this.#changed.add(key);
    this.#schedule();
  }

  #setState(state, message) {
    this.#state = state;
    this.#message = message;
    this.#shell.state(state, message);
    this.element.dataset.state = state;
    this.#schedule();
  }

  #draw() {
    const nowMs = this.#shell.now();
    if (this.#isMoved) this.#table.arrange(nowMs);
    this.#isMoved = false;
    // What a catch-up brings is not news, so it does not flash.
    for (const key of this.#changed) this.#table.refresh(key, nowMs, this.#state === 'live');
    this.#changed.clear();
    this.#drawAround();
  }

  #drawAround() {
    const { count } = this.#places[this.#at];
    const shown = this.#page.keys.length;
    this.#table.element.hidden = shown === 0;
    if (!this.element.hasAttribute('aria-busy')) setText(this.#range, this.#rangeText(count, shown));
    this.#buttons.first.disabled = this.#at === 0;
    this.#buttons.previous.disabled = this.#at === 0;
    this.#buttons.next.disabled = this.#next === undefined;
    const notice = this.#noticeText();
    this.#notice.hidden = notice === undefined;
    this.#notice.dataset.kind = this.#state;
    setText(this.#notice, notice ?? '');
    this.#empty.hidden = shown > 0 || !this.#isLoaded || this.#state === 'refused';
    if (!this.#empty.hidden) this.#drawEmpty();
  }

  #rangeText(count, shown) {
    if (!this.#isLoaded || shown === 0) return '';
    const range = `${number.format(count + 1)}–${number.format(count + shown)}`;
    if (this.#next === undefined)
      return this.#at === 0 ? `${number.format(shown)} ${shown === 1 ? 'key' : 'keys'}` : `${range}, the last`;
    const total = this.#filter.term === '' ? this.#shell.keys() : undefined;
    return total === undefined || total < count + shown
      ? `${range}, more follow`
      : `${range} of ${number.format(total)}`;
  }

  #noticeText() {
    if (this.#state === 'refused') return this.#message;
    if (this.#state === 'reconnecting')
      return `${this.#message ?? 'The connection was lost.'} What is shown may be old; this page comes back by itself and resumes where it was.`;
    if (this.#page.leftOut > 0)
      return `${number.format(this.#page.leftOut)} new keys came that this page has no room for; the first page shows them in their place.`;
    if (performance.now() - this.#conflatedAtMs < CONFLATED_NOTICE_MS)
      return 'This page was behind: older changes in between were skipped, every value is the latest.';
    return undefined;
  }

  #drawEmpty() {
    const { kind, term } = this.#filter;
    const key = term === '' || kind === 'pattern' ? 'hello' : kind === 'key' ? term : `${term}hello`;
    const text =
      this.#at > 0
        ? 'There is nothing beyond the page before.'
        : term === ''
          ? 'Nothing here yet. Put a first value, and watch it arrive:'
          : 'No key matches this filter. New ones appear here by themselves.';
    setText(this.#emptyText, text);
    this.#emptyCommand.hidden = this.#at > 0 || (term !== '' && kind === 'pattern');
    const url = new URL(`v1/keys/${encodeURIComponent(key)}`, document.baseURI);
    setText(this.#emptyCommand, `curl -X PUT ${url} -d '{"greeting":"world"}'`);
  }
}

/** Dead letters: messages that could not be read or decided, page by page, and what can be done with them. */
import { el, icon, setText } from '../element.js';
import { confirmed } from '../parts/dialog.js';
import { call, faultOf } from '../server.js';
import { sizeText } from '../values.js';
import { DeadLetter } from './dead-letter.js';

const PAGE_SIZE = 25;
/** Letters that one request replays: an answer comes while one still waits for it. */
const REPLAY_SIZE = 100;
const RETRY_MS = 3000;
const number = new Intl.NumberFormat();

export class DeadLettersView {
  title = 'Dead letters';
  #shell;
  #source = '';
  /** Where each page so far begins. @type {(string | undefined)[]} */
  #places = [undefined];
  #at = 0;
  #next;
  #counts;
  #loading;
  #retry;
  #isLoaded = false;
  #replaying;
  #letters = [];
  #typing;
  #list = el('ul', { class: 'letters' });
  #range = el('p', { class: 'range', role: 'status' });
  #notice = el('p', { class: 'notice', role: 'status', hidden: true });
  #outcome = el('p', { class: 'notice outcome', role: 'status', hidden: true });
  #empty = el(
    'div',
    { class: 'empty', hidden: true },
    el('p', { text: 'No dead letters. Messages that cannot be read would wait here.' }),
  );
  #sourceInput = el('input', {
    id: 'source',
    type: 'search',
    spellcheck: 'false',
    autocapitalize: 'none',
    autocomplete: 'off',
    placeholder: 'All sources',
    on: { input: () => this.#typed() },
  });
  #buttons;
  element;

  constructor(shell) {
    this.#shell = shell;
    const paging = (label, name, act) =>
      el(
        'button',
        { class: 'button icon-only', type: 'button', 'aria-label': label, title: label, on: { click: act } },
        icon(name),
      );
    const button = (text, act, kind = '') =>
      el('button', { class: `button ${kind}`, type: 'button', text, on: { click: act } });
    this.#buttons = {
      first: paging('First page', 'first', () => this.#turn(0)),
      previous: paging('Previous page', 'left', () => this.#turn(this.#at - 1)),
      next: paging('Next page', 'right', () => this.#turn(this.#at + 1)),
      reload: button('Reload', () => this.#turn(this.#at)),
      dryRun: button('Dry run all', () => void this.#replayAll(true)),
      replay: button('Replay all', () => void this.#askReplayAll(), 'primary'),
    };
    const { dryRun, reload, replay, ...pages } = this.#buttons;
    this.element = el(
      'div',
      { class: 'view' },
      el(
        'div',
        { class: 'head' },
        el('h1', { text: 'Dead letters' }),
        el('nav', { class: 'pager', 'aria-label': 'Pages' }, this.#range, ...Object.values(pages)),
      ),
      el(
        'div',
        { class: 'toolbar' },
        el(
          'div',
          { class: 'field plain' },
          el('label', { class: 'hidden', for: 'source', text: 'Only of the source' }),
          this.#sourceInput,
        ),
        el('div', { class: 'actions' }, reload, dryRun, replay),
      ),
      this.#notice,
      this.#outcome,
      this.#list,
      this.#empty,
    );
  }

  show(params) {
    this.#source = params.get('source') ?? '';
    if (this.#sourceInput.value !== this.#source) this.#sourceInput.value = this.#source;
    this.#places = [undefined];
    this.#isLoaded = false;
    this.#turn(0);
  }

  hide() {
    clearTimeout(this.#typing);
    clearTimeout(this.#retry);
    this.#loading?.abort();
    this.#replaying?.abort();
  }

  focusSearch() {
    this.#sourceInput.focus();
    this.#sourceInput.select();
  }

  press(key) {
    if (key === ']' && !this.#buttons.next.disabled) this.#turn(this.#at + 1);
    else if (key === '[' && !this.#buttons.previous.disabled) this.#turn(this.#at - 1);
    else return false;
    return true;
  }

  /** The page is not kept up by itself: what one reads must not move. But it says when there is more. */
  sampled({ deadLetters, isAnswered }) {
    if (!isAnswered) {
      this.#setState('away', 'The server does not answer. What is shown may be old.');
      return;
    }
    if (this.element.dataset.state === 'away') this.#setState('answering');
    const held = this.#counts?.held;
    const isOther = this.#isLoaded && deadLetters !== undefined && deadLetters > held;
    this.#buttons.reload.classList.toggle('has-news', isOther);
    setText(this.#buttons.reload, isOther ? `Reload, ${number.format(deadLetters - held)} more` : 'Reload');
  }

  tick(nowMs) {
    for (const letter of this.#letters) letter.age(nowMs);
  }

  #typed() {
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => {
      const source = this.#sourceInput.value;
      if (source !== this.#source) this.#shell.go('dead-letters', source === '' ? {} : { source }, { replace: true });
    }, 250);
  }

  #query(more) {
    const query = new URLSearchParams(more);
    if (this.#source !== '') query.set('source', this.#source);
    return query;
  }

  #turn(at) {
    if (at < 0 || at >= this.#places.length) return;
    this.#loading?.abort();
    clearTimeout(this.#retry);
    const loading = new AbortController();
    this.#loading = loading;
    if (!this.#isLoaded) this.#setState('connecting');
    void this.#load(at, loading.signal);
  }

  async #load(at, signal) {
    const after = this.#places[at];
    const query = this.#query({ limit: String(PAGE_SIZE), ...(after === undefined ? {} : { after }) });
    try {
      const { counts, deadLetters, next } = await call(`v1/dead-letters?${query}`, { signal });
      if (signal.aborted) return;
      this.#at = at;
      this.#next = next;
      if (next !== undefined) this.#places[at + 1] = next;
      this.#places.length = at + (next === undefined ? 1 : 2);
      this.#counts = counts;
      this.#isLoaded = true;
      const nowMs = this.#shell.now();
      this.#letters = deadLetters.map((letter) => new DeadLetter(letter, nowMs));
      this.#list.replaceChildren(...this.#letters.map(({ element }) => element));
      this.#setState('answering');
    } catch (error) {
      if (signal.aborted) return;
      const { isRefusal, message } = faultOf(error);
      this.#setState(isRefusal ? 'refused' : 'away', message);
      if (!isRefusal) this.#retry = setTimeout(() => this.#turn(at), RETRY_MS);
    }
  }

  #setState(state, message) {
    this.element.dataset.state = state;
    this.#shell.state(state, message);
    const isBad = state === 'refused' || state === 'away';
    this.#notice.hidden = !isBad;
    this.#notice.dataset.kind = state === 'away' ? 'reconnecting' : state;
    setText(this.#notice, isBad ? (message ?? '') : '');
    this.#draw();
  }

  #draw() {
    const shown = this.#letters.length;
    const { bytes = 0, dropped = 0, held = 0 } = this.#counts ?? {};
    this.#empty.hidden = shown > 0 || !this.#isLoaded;
    this.#list.hidden = shown === 0;
    const begin = this.#at * PAGE_SIZE + 1;
    const range = shown === 0 ? '' : `${number.format(begin)}–${number.format(begin + shown - 1)} of `;
    const lost = dropped > 0 ? `, ${number.format(dropped)} dropped by a bound` : '';
    const of = this.#source === '' ? `${number.format(held)} · ${sizeText(bytes)}${lost}` : 'this source';
    setText(this.#range, this.#isLoaded && held > 0 ? `${range}${of}` : '');
    this.#buttons.first.disabled = this.#at === 0;
    this.#buttons.previous.disabled = this.#at === 0;
    this.#buttons.next.disabled = this.#next === undefined;
    this.#buttons.dryRun.disabled = shown === 0;
    this.#buttons.replay.disabled = shown === 0;
  }

  async #askReplayAll() {
    const of = this.#source === '' ? 'all sources' : `the source ${this.#source}`;
    const isMeant = await confirmed({
      title: 'Replay dead letters',
      text: `Every dead letter of ${of} is read again, oldest first, and written. What can be written leaves this list; what cannot stays.`,
      action: 'Replay all',
    });
    if (isMeant) await this.#replayAll(false);
  }

  async #replayAll(isDryRun) {
    this.#replaying?.abort();
    const replaying = new AbortController();
    this.#replaying = replaying;
    const total = { good: 0, kept: 0 };
    let after;
    let why;
    this.#tell('Replaying…');
    try {
      do {
        const query = this.#query({
          limit: String(REPLAY_SIZE),
          ...(isDryRun ? { dryRun: 'true' } : {}),
          ...(after === undefined ? {} : { after }),
        });
        const answer = await call(`v1/dead-letters/replay?${query}`, { method: 'POST', signal: replaying.signal });
        total.good += answer.replayed;
        total.kept += answer.kept;
        why ??= answer.results.find(({ kept }) => kept === true)?.error?.message;
        after = answer.next;
        this.#tell(outcomeText(total, isDryRun, why, after !== undefined));
      } while (after !== undefined);
    } catch (error) {
      if (replaying.signal.aborted) return;
      this.#tell(`${outcomeText(total, isDryRun, why, false)} Then it stopped: ${faultOf(error).message}`, true);
    }
    if (!isDryRun && !replaying.signal.aborted) {
      this.#places = [undefined];
      this.#turn(0);
    }
  }

  #tell(text, isBad = false) {
    this.#outcome.hidden = false;
    this.#outcome.dataset.kind = isBad ? 'refused' : 'done';
    setText(this.#outcome, text);
  }
}

function outcomeText({ good, kept }, isDryRun, why, goesOn) {
  const done = isDryRun ? `${number.format(good)} can be read` : `${number.format(good)} replayed`;
  const rest = isDryRun ? `${number.format(kept)} cannot` : `${number.format(kept)} stay`;
  return `${done}, ${rest}${goesOn ? ' so far' : ''}.${why === undefined ? '' : ` The first that ${isDryRun ? 'cannot' : 'stays'}: ${why}`}`;
}

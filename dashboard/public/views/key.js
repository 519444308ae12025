/**
 * One key: its value, how old and how fresh it is, what it was before, and what changed. Read once and kept up by a watch of that
 * key from the position of the history, so no change falls in between.
 */
import { el, setText } from '../element.js';
import { differenceList } from '../parts/difference-list.js';
import { copyButton, ValueView } from '../parts/value-view.js';
import { call, faultOf, keyPath, readEntry } from '../server.js';
import { Stream } from '../stream.js';
import { contentOf, parseExact, sizeOf, sizeText } from '../values.js';
import { isNewer } from '../versions.js';
import { KeyFacts } from './key-facts.js';
import { KeyHistory } from './key-history.js';

const RETRY_MS = 2000;
/** A key that changes often is drawn this often. */
const DRAW_MS = 100;
/** And read this often at most, for where it comes from. */
const ORIGIN_MS = 500;

export class KeyView {
  title = 'Key';
  #shell;
  #key = '';
  #entry;
  #isGone = false;
  #loading;
  #retry;
  #drawing;
  #asking;
  #state = 'connecting';
  #message;
  #history = new KeyHistory(() => this.#drawDifference());
  #facts = new KeyFacts();
  #value = new ValueView();
  #name = el('h1', { class: 'key-name' });
  #notice = el('p', { class: 'notice', role: 'status', hidden: true });
  #raw = el('a', { class: 'button', target: '_blank', rel: 'noreferrer', text: 'Raw' });
  #difference = el('div', { class: 'difference' });
  #valuePanel;
  #stream = new Stream({
    state: (state, message) => this.#setState(state, message),
    change: (data) => this.#take(data),
    reset: () => this.#begin(),
  });
  element;

  constructor(shell) {
    this.#shell = shell;
    const panel = (title, id, tools, ...children) =>
      el(
        'section',
        { class: `panel ${id}`, 'aria-labelledby': id },
        el('div', { class: 'panel-head' }, el('h2', { id, text: title }), ...tools),
        ...children,
      );
    this.#valuePanel = panel('Value', 'value-title', [this.#value.modes, this.#value.copy], this.#value.element);
    this.element = el(
      'div',
      { class: 'view' },
      el(
        'div',
        { class: 'head' },
        el(
          'div',
          { class: 'key-head' },
          el('nav', { 'aria-label': 'Where' }, el('a', { class: 'back', href: '#/keys', text: 'Keys' })),
          this.#name,
        ),
        el(
          'div',
          { class: 'actions' },
          copyButton('Copy key', () => this.#key),
          this.#raw,
        ),
      ),
      this.#notice,
      this.#facts.element,
      el(
        'div',
        { class: 'columns' },
        el(
          'div',
          { class: 'column' },
          this.#valuePanel,
          panel('What changed', 'difference-title', [this.#history.choice], this.#difference),
        ),
        panel('History', 'history-title', [], this.#history.element),
      ),
    );
  }

  show(params) {
    this.#key = params.get('k') ?? '';
    this.title = this.#key;
    setText(this.#name, this.#key);
    const path = keyPath(this.#key);
    this.#raw.hidden = path === undefined;
    if (path !== undefined) this.#raw.href = path;
    this.#value.forget();
    this.#history.show([], false);
    this.#entry = undefined;
    this.#isGone = false;
    this.#begin();
    this.#draw(false);
  }

  hide() {
    this.#loading?.abort();
    clearTimeout(this.#retry);
    clearTimeout(this.#drawing);
    clearTimeout(this.#asking);
    this.#drawing = undefined;
    this.#asking = undefined;
    this.#stream.close();
  }

  focusSearch() {
    this.#shell.go('keys');
    requestAnimationFrame(() => /** @type {any} */ (document.getElementById('term'))?.focus());
  }

  retry() {
    this.#stream.retry();
  }

  tick(nowMs) {
    this.#facts.age(nowMs, this.#state);
    this.#history.age(nowMs);
  }

  #begin() {
    this.#loading?.abort();
    clearTimeout(this.#retry);
    this.#stream.close();
    this.#setState('connecting');
    const loading = new AbortController();
    this.#loading = loading;
    void this.#load(loading.signal);
  }

  async #load(signal) {
    try {
      const history = await this.#readHistory(signal);
      const entry = await readEntry(this.#key, signal);
      if (signal.aborted) return;
      this.#history.show(history.changes, history.truncated);
      this.#entry = entry ?? undefined;
      this.#isGone = entry === null;
      const last = history.changes.at(-1);
      if (last !== undefined && isNewer(last.version, entry?.version)) this.#showChange(last);
      this.#draw(false);
      // What the entry already shows is told again and known by its version.
      this.#stream.watch(new URLSearchParams({ key: this.#key }), history.position);
    } catch (error) {
      if (signal.aborted) return;
      const { isRefusal, message } = faultOf(error);
      this.#setState(isRefusal ? 'refused' : 'reconnecting', message);
      if (!isRefusal) this.#retry = setTimeout(() => this.#begin(), RETRY_MS);
    }
  }

  async #readHistory(signal) {
    const path = keyPath(this.#key);
    // The list says where the log is now, and whether the key is worth asking for its history.
    const { position } = await call(
      `v1/keys?${new URLSearchParams({ limit: '1', values: 'false', prefix: this.#key })}`,
      { signal },
    );
    if (path === undefined) return { changes: [], truncated: true, position };
    try {
      // Several processes may serve: the one that answers now must not be behind the one that said where the log is.
      const query = new URLSearchParams({ history: 'true', limit: '100', minPosition: position });
      const { changes, truncated } = await call(`${path}?${query}`, { signal });
      return { changes, truncated, position };
    } catch (error) {
      if (faultOf(error).code !== 'not-found') throw error;
      return { changes: [], truncated: false, position };
    }
  }

  #take(data) {
    const change = parseExact(data);
    this.#shell.count();
    this.#history.add(change, data.length);
    if (!isNewer(change.version, this.#entry?.version)) return;
    this.#showChange(change);
    this.#drawing ??= setTimeout(() => {
      this.#drawing = undefined;
      this.#draw(this.#state === 'live');
      if (this.#isGone) return;
      this.#asking ??= setTimeout(() => {
        this.#asking = undefined;
        if (this.#entry !== undefined && !this.#isGone) void this.#learnOrigin();
      }, ORIGIN_MS);
    }, DRAW_MS);
  }

  #showChange(change) {
    this.#isGone = change.op === 'remove';
    // Where it came from is told by reads only; until the next one it is not known.
    if (!this.#isGone) this.#entry = { ...change, stale: change.op === 'stale' };
    else if (this.#entry !== undefined) this.#entry = { ...this.#entry, version: change.version };
  }

  async #learnOrigin() {
    const { version } = this.#entry;
    try {
      const entry = await readEntry(this.#key, this.#loading.signal);
      if (this.#entry?.version !== version || entry?.version !== version) return;
      this.#entry = entry;
      this.#facts.show(entry, this.#isGone, sizeText(sizeOf(contentOf(entry))));
      this.tick(this.#shell.now());
    } catch {
      // The stream says that the server is away; the origin is read with the next change.
    }
  }

  #setState(state, message) {
    this.#state = state;
    this.#message = message;
    this.#shell.state(state, message);
    this.element.dataset.state = state;
    this.#drawNotice();
    this.tick(this.#shell.now());
  }

  #drawNotice() {
    let text;
    if (this.#state === 'refused') text = this.#message;
    else if (this.#state === 'reconnecting')
      text = `${this.#message ?? 'The connection was lost.'} What is shown may be old; this page comes back by itself and resumes where it was.`;
    else if (this.#isGone)
      text =
        this.#entry === undefined
          ? 'There is no entry under this key. It appears here once there is one.'
          : 'The entry was removed. Below is what it was.';
    this.#notice.hidden = text === undefined;
    this.#notice.dataset.kind = this.#state;
    setText(this.#notice, text ?? '');
  }

  #draw(withFlash) {
    const content = contentOf(this.#entry);
    this.#value.show(content, withFlash);
    this.#valuePanel.classList.toggle('gone', this.#isGone);
    this.#valuePanel.hidden = content.kind === 'none';
    this.#facts.show(this.#entry, this.#isGone, sizeText(sizeOf(content)));
    this.#history.draw();
    this.#drawDifference();
    this.#drawNotice();
    this.tick(this.#shell.now());
  }

  #drawDifference() {
    const { after, before } = this.#history.chosen();
    if (after === undefined) {
      this.#difference.replaceChildren(el('p', { class: 'note', text: 'No change of this key is held any more.' }));
    } else if (before === undefined) {
      this.#difference.replaceChildren(
        el('p', { class: 'note', text: 'This is the first change that is held; there is nothing to compare it with.' }),
      );
    } else if (after.op === 'remove') {
      this.#difference.replaceChildren(
        el('p', { class: 'note', text: `The entry was removed: ${after.reason ?? 'deleted'}.` }),
      );
    } else {
      const why = after.op === 'stale' ? 'its time was up, and it became stale' : 'only times or the version changed';
      this.#difference.replaceChildren(
        ...differenceList(contentOf(before), contentOf(after), `The value is the same; ${why}.`),
      );
    }
  }
}

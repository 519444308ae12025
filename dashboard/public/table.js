/**
 * The rows of the page. It renders at most `ROWS_MAX` of the entries, and only what changed since the last frame; text goes in as
 * text, never as markup.
 *
 * Invariant: `#rows` holds exactly the rows in the document, each under its key.
 */
import { ageText, isStale, valueText } from './entries.js';

export const ROWS_MAX = 1000;
/** A cell shows no more than this of a value; the whole is in the row's details. */
const CELL_LENGTH_MAX = 300;

const TIME = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' };
const thisYear = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', ...TIME });
const anyYear = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });

/** Short enough for its column; the exact moment is in the cell's title. */
function momentText(updated, nowMs) {
  const moment = new Date(updated);
  if (Number.isNaN(moment.getTime())) return updated;
  return (moment.getFullYear() === new Date(nowMs).getFullYear() ? thisYear : anyYear).format(moment);
}

const element = (name, className, text) => {
  const made = document.createElement(name);
  if (className !== undefined) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};

export class Table {
  #body;
  #entries;
  #rows = new Map();
  #open;
  #focusKey;

  constructor(body, entries) {
    this.#body = body;
    this.#entries = entries;
    body.addEventListener('click', (event) => this.#clicked(event));
    body.addEventListener('keydown', (event) => this.#pressed(event));
    body.addEventListener('focusin', (event) => {
      this.#focusKey = event.target.closest('tr[tabindex]')?.dataset.key;
    });
  }

  get shown() {
    return this.#rows.size;
  }

  /** Brings the rows to these keys, in this order. */
  arrange(keys, nowMs) {
    const wanted = new Set(keys);
    for (const key of this.#rows.keys()) if (!wanted.has(key)) this.#drop(key);
    let at = this.#body.firstElementChild;
    for (const key of keys) {
      const row = this.#rows.get(key) ?? this.#make(key, nowMs);
      if (at === row.line) at = at.nextElementSibling;
      else this.#body.insertBefore(row.line, at);
      if (row.detail === undefined) continue;
      if (at === row.detail) at = at.nextElementSibling;
      else this.#body.insertBefore(row.detail, at);
    }
    this.#keepFocusable();
  }

  /** Shows the entry's new state, and that it changed. */
  refresh(key, nowMs, withFlash) {
    const row = this.#rows.get(key);
    if (row === undefined) return;
    this.#fill(row, nowMs);
    if (!withFlash) return;
    const isA = row.line.classList.contains('flash-a');
    row.line.classList.toggle('flash-a', !isA);
    row.line.classList.toggle('flash-b', isA);
  }

  /** Ages and badges move with time alone. */
  age(nowMs) {
    for (const row of this.#rows.values()) this.#fillAge(row, nowMs);
  }

  focusFirst() {
    this.#body.querySelector('tr[tabindex]')?.focus();
  }

  #make(key, nowMs) {
    const line = element('tr');
    line.dataset.key = key;
    line.tabIndex = -1;
    line.setAttribute('aria-expanded', 'false');
    const cells = {};
    for (const name of ['key', 'value', 'version', 'updated', 'age']) {
      cells[name] = element('td', name);
      line.append(cells[name]);
    }
    cells.key.textContent = key;
    cells.key.title = key;
    const row = { key, line, cells, detail: undefined, stale: undefined };
    this.#rows.set(key, row);
    this.#fill(row, nowMs);
    return row;
  }

  #drop(key) {
    const row = this.#rows.get(key);
    if (row === undefined) return;
    row.line.remove();
    row.detail?.remove();
    this.#rows.delete(key);
    if (this.#open === key) this.#open = undefined;
  }

  #fill(row, nowMs) {
    const held = this.#entries.get(row.key);
    if (held === undefined) return;
    const { cells } = row;
    const value = valueText(held.data);
    cells.value.classList.toggle('muted', value === '');
    cells.value.textContent = value === '' ? 'empty text' : (value ?? '').slice(0, CELL_LENGTH_MAX);
    cells.version.textContent = held.version;
    cells.version.title = held.version;
    cells.updated.textContent = momentText(held.updated, nowMs);
    cells.updated.title = held.updated;
    this.#fillAge(row, nowMs);
    if (row.detail !== undefined) this.#fillDetail(row);
  }

  #fillAge(row, nowMs) {
    const held = this.#entries.get(row.key);
    if (held === undefined) return;
    const text = ageText(held.updated, nowMs);
    const stale = isStale(held, nowMs);
    if (row.age === text && row.stale === stale) return;
    row.age = text;
    row.stale = stale;
    row.cells.age.replaceChildren(...(stale ? [element('span', 'badge', 'stale')] : []), text);
  }

  #fillDetail(row) {
    const held = this.#entries.get(row.key);
    const { contentType, encoding, expires, updated, valid, version } = JSON.parse(held.data);
    const facts = { version, updated, 'valid until': valid, expires, 'content type': contentType, encoding };
    const list = element('dl');
    for (const [name, text] of Object.entries({ key: row.key, ...facts })) {
      if (text !== undefined) list.append(element('dt', undefined, name), element('dd', undefined, text));
    }
    row.detail.firstElementChild.replaceChildren(list, element('pre', undefined, valueText(held.data, 2) ?? ''));
  }

  #toggle(key) {
    const row = this.#rows.get(key);
    if (row === undefined) return;
    const wasOpen = row.detail !== undefined;
    if (this.#open !== undefined) this.#close(this.#open);
    if (wasOpen) return;
    row.detail = element('tr', 'detail');
    const cell = element('td');
    cell.colSpan = 5;
    row.detail.append(cell);
    row.line.after(row.detail);
    row.line.setAttribute('aria-expanded', 'true');
    this.#open = key;
    this.#fillDetail(row);
  }

  #close(key) {
    const row = this.#rows.get(key);
    this.#open = undefined;
    if (row === undefined) return;
    row.detail?.remove();
    row.detail = undefined;
    row.line.setAttribute('aria-expanded', 'false');
  }

  #clicked(event) {
    // Who selects text to copy it does not want the row to close.
    if (!getSelection().isCollapsed) return;
    const line = event.target.closest('tr[tabindex]');
    if (line !== null) this.#toggle(line.dataset.key);
  }

  #pressed(event) {
    const line = event.target.closest('tr[tabindex]');
    if (line === null) return;
    const lines = [...this.#body.querySelectorAll('tr[tabindex]')];
    const at = lines.indexOf(line);
    const to = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      Home: 0,
      End: lines.length - 1,
      PageDown: at + 15,
      PageUp: at - 15,
    }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      lines[Math.max(0, Math.min(lines.length - 1, to))]?.focus();
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      this.#toggle(line.dataset.key);
    } else if (event.key === 'Escape' && this.#open !== undefined) {
      event.stopPropagation();
      this.#close(this.#open);
    }
  }

  // Exactly one row is reached by Tab: the one that was last, or the first.
  #keepFocusable() {
    const wanted = this.#rows.get(this.#focusKey)?.line ?? this.#body.querySelector('tr[tabindex]');
    for (const line of this.#body.querySelectorAll('tr[tabindex="0"]')) if (line !== wanted) line.tabIndex = -1;
    if (wanted !== null) wanted.tabIndex = 0;
  }
}

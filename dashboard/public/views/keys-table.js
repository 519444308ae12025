/**
 * The rows of a page of keys. Only what changed since the last frame is written; text goes in as text.
 *
 * Invariant: `#rows` holds exactly the rows in the document, each under its key.
 */
import { el } from '../element.js';
import { roveAmong } from '../parts/roving.js';
import { ageText, isStale, momentText } from '../times.js';

const COLUMNS = [
  ['key', 'Key'],
  ['value', 'Value'],
  ['version', 'Version'],
  ['updated', 'Updated'],
  ['age', 'Age'],
];

export class KeysTable {
  #page;
  #rows = new Map();
  #body = el('tbody');
  #roving = roveAmong(this.#body, 'a.key-link');
  element = el(
    'table',
    { class: 'table keys', hidden: true },
    el('caption', { class: 'hidden', text: 'Entries, live. Arrow keys move between rows, Enter opens a key.' }),
    el('thead', {}, el('tr', {}, ...COLUMNS.map(([name, text]) => el('th', { scope: 'col', class: name, text })))),
    this.#body,
  );

  /** @param {import('../page-of-keys.js').PageOfKeys} page */
  constructor(page) {
    this.#page = page;
    // A whole row is easier to hit than its key; who selects text to copy it does not want to leave.
    this.#body.addEventListener('click', (event) => {
      if (event.target.closest('a') !== null || !getSelection()?.isCollapsed) return;
      event.target.closest('tr')?.querySelector('a')?.click();
    });
  }

  /** Brings the rows to the keys of the page. */
  arrange(nowMs) {
    const wanted = new Set(this.#page.keys);
    for (const [key, row] of this.#rows) {
      if (wanted.has(key)) continue;
      row.line.remove();
      this.#rows.delete(key);
    }
    let at = this.#body.firstElementChild;
    for (const key of this.#page.keys) {
      const known = this.#rows.get(key);
      const row = known ?? this.#make(key);
      this.#fill(row, nowMs);
      if (at === row.line) at = at.nextElementSibling;
      else this.#body.insertBefore(row.line, at);
    }
    this.#roving.settle();
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

  /** The row that was focused last, where it still is. */
  focusLast() {
    this.#body.querySelector('a[tabindex="0"]')?.focus({ preventScroll: true });
  }

  #make(key) {
    const cells = Object.fromEntries(COLUMNS.map(([name]) => [name, el('td', { class: name })]));
    const link = el('a', {
      class: 'key-link',
      href: `#/key?${new URLSearchParams({ k: key })}`,
      tabindex: '-1',
      text: key,
      title: key,
    });
    cells.key.append(link);
    const row = {
      key,
      line: el('tr', { data: { key } }, ...Object.values(cells)),
      cells,
      shown: undefined,
      age: undefined,
      stale: undefined,
    };
    this.#rows.set(key, row);
    return row;
  }

  #fill(row, nowMs) {
    const held = this.#page.get(row.key);
    if (held === undefined || row.shown === held) return;
    row.shown = held;
    const { cells } = row;
    const isEmpty = held.preview === '';
    cells.value.classList.toggle('muted', isEmpty || held.kind === 'bytes');
    cells.value.textContent = isEmpty ? 'empty text' : held.preview;
    cells.version.textContent = held.version;
    cells.version.title = held.version;
    cells.updated.textContent = momentText(held.updated, nowMs);
    cells.updated.title = held.updated;
    this.#fillAge(row, nowMs);
  }

  #fillAge(row, nowMs) {
    const held = row.shown;
    if (held === undefined) return;
    const text = ageText(held.updated, nowMs);
    const stale = isStale(held, nowMs);
    if (row.age === text && row.stale === stale) return;
    row.age = text;
    row.stale = stale;
    row.cells.age.replaceChildren(...(stale ? [el('span', { class: 'badge stale', text: 'stale' })] : []), text);
  }
}

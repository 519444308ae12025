/**
 * A JSON value as a tree of rows, worked by keyboard as trees are. It renders what is open and no more than `ROWS_MAX` rows of it;
 * lists and objects with many parts show them piece by piece.
 *
 * Invariant: `#rows` holds exactly the rows in the document, in their order.
 */
import { el, setText } from '../element.js';
import { isContainer, previewText, scalarText } from '../values.js';

const ROWS_MAX = 1500;
const PARTS_STEP = 100;
const SCALAR_LENGTH_MAX = 2000;
const SUMMARY_LENGTH_MAX = 80;
/** What is open at first: a value is seen at a glance, a big one does not flood the page. */
const OPEN_ROWS = 60;
const OPEN_DEPTH = 3;
const INDENT_MAX = 20;
const number = new Intl.NumberFormat();

export class Tree {
  #value;
  #hasValue = false;
  /** By path: whether a part is open, where somebody said so. @type {Map<string, boolean>} */
  #choices = new Map();
  /** By path: how many parts are shown. @type {Map<string, number>} */
  #shownParts = new Map();
  #rows = new Map();
  #focused = '';
  element = el('div', { class: 'tree', role: 'tree', 'aria-label': 'The value' });

  constructor() {
    this.element.addEventListener('click', (event) => this.#clicked(event));
    this.element.addEventListener('keydown', (event) => this.#pressed(event));
    this.element.addEventListener('focusin', (event) => {
      const row = event.target.closest('[role=treeitem]');
      if (row === null) return;
      this.#focused = row.dataset.path;
      this.#settle();
    });
  }

  /** What is open stays open; rows whose text changes flash. */
  show(value, withFlash = false) {
    this.#value = value;
    this.#draw(withFlash && this.#hasValue);
    this.#hasValue = true;
  }

  /** Of another key: what was open is forgotten. */
  forget() {
    this.#choices.clear();
    this.#shownParts.clear();
    this.#rows.clear();
    this.element.replaceChildren();
    this.#hasValue = false;
    this.#focused = '';
  }

  #draw(withFlash) {
    const wanted = this.#lines();
    const paths = new Set(wanted.map(({ path }) => path));
    for (const [path, row] of this.#rows) {
      if (paths.has(path)) continue;
      row.element.remove();
      this.#rows.delete(path);
    }
    const rows = new Map();
    let at = this.element.firstElementChild;
    for (const line of wanted) {
      const known = this.#rows.get(line.path);
      const row = known ?? makeRow(line.path);
      fillRow(row, line, withFlash);
      rows.set(line.path, row);
      if (at === row.element) at = at.nextElementSibling;
      else this.element.insertBefore(row.element, at);
    }
    this.#rows = rows;
    this.#settle();
  }

  #lines() {
    const lines = [];
    this.#addLine(lines, { path: '', name: undefined, value: this.#value, level: 1, place: 1, of: 1 });
    return lines;
  }

  #addLine(lines, { level, name, of, path, place, value }) {
    if (lines.length >= ROWS_MAX) return;
    const isBranch = isContainer(value) && countOf(value) > 0;
    const isOpen =
      isBranch && (this.#choices.get(path) ?? (level <= OPEN_DEPTH && lines.length + countOf(value) <= OPEN_ROWS));
    lines.push({ kind: 'part', path, name, value, level, place, of, isBranch, isOpen });
    if (!isOpen) return;
    const names = Array.isArray(value) ? value.keys() : Object.keys(value);
    const count = countOf(value);
    const shown = Math.min(count, this.#shownParts.get(path) ?? PARTS_STEP);
    let index = 0;
    for (const each of names) {
      if (index >= shown) break;
      index += 1;
      this.#addLine(lines, {
        path: `${path}/${each}`,
        name: each,
        value: value[each],
        level: level + 1,
        place: index,
        of: count,
      });
    }
    if (shown < count)
      lines.push({ kind: 'more', path: `${path}/\u0000more`, parent: path, level: level + 1, left: count - shown });
    if (lines.length >= ROWS_MAX && path === '') lines.push({ kind: 'full', path: '\u0000full', level: 1 });
  }

  #clicked(event) {
    const row = event.target.closest('[role=treeitem]');
    if (row === null || !getSelection()?.isCollapsed) return;
    row.focus();
    this.#act(row.dataset.path);
  }

  /** Opens or closes, or shows more. */
  #act(path, isOpen) {
    const line = this.#rows.get(path)?.line;
    if (line?.kind === 'more') {
      this.#shownParts.set(line.parent, (this.#shownParts.get(line.parent) ?? PARTS_STEP) + PARTS_STEP);
      this.#draw(false);
    } else if (line?.isBranch === true) {
      this.#choices.set(path, isOpen ?? !line.isOpen);
      this.#draw(false);
    }
  }

  #pressed(event) {
    const row = event.target.closest('[role=treeitem]');
    if (row === null || event.ctrlKey || event.metaKey || event.altKey) return;
    const paths = [...this.#rows.keys()];
    const path = row.dataset.path;
    const at = paths.indexOf(path);
    const line = this.#rows.get(path)?.line;
    const focus = (index) => this.#rows.get(paths[Math.max(0, Math.min(paths.length - 1, index))])?.element.focus();
    const acts = {
      ArrowDown: () => focus(at + 1),
      ArrowUp: () => focus(at - 1),
      Home: () => focus(0),
      End: () => focus(paths.length - 1),
      ArrowRight: () => (line?.isBranch && !line.isOpen ? this.#act(path, true) : focus(at + 1)),
      ArrowLeft: () => {
        if (line?.isOpen) this.#act(path, false);
        else if (path !== '') this.#rows.get(path.slice(0, path.lastIndexOf('/')))?.element.focus();
      },
      Enter: () => this.#act(path),
      ' ': () => this.#act(path),
    };
    if (!Object.hasOwn(acts, event.key)) return;
    event.preventDefault();
    acts[event.key]();
  }

  // Exactly one row is reached by Tab.
  #settle() {
    const wanted = this.#rows.get(this.#focused) ?? this.#rows.get('');
    for (const row of this.#rows.values()) row.element.tabIndex = row === wanted ? 0 : -1;
  }
}

function makeRow(path) {
  const parts = {
    twisty: el('span', { class: 'twisty', 'aria-hidden': 'true' }),
    name: el('span', { class: 'name' }),
    value: el('span'),
  };
  return {
    element: el('div', { role: 'treeitem', data: { path } }, ...Object.values(parts)),
    parts,
    line: undefined,
    text: undefined,
  };
}

function fillRow(row, line, withFlash) {
  const { element, parts } = row;
  row.line = line;
  element.setAttribute('aria-level', String(line.level));
  element.style.setProperty('--level', String(Math.min(INDENT_MAX, line.level - 1)));
  if (line.kind !== 'part') {
    setText(
      parts.value,
      line.kind === 'more'
        ? `${number.format(line.left)} more — show ${Math.min(line.left, PARTS_STEP)}`
        : 'More is not shown here; the text has it.',
    );
    parts.value.className = 'more';
    return;
  }
  element.setAttribute('aria-setsize', String(line.of));
  element.setAttribute('aria-posinset', String(line.place));
  if (line.isBranch) element.setAttribute('aria-expanded', String(line.isOpen));
  else element.removeAttribute('aria-expanded');
  setText(parts.name, line.name === undefined ? '' : String(line.name));
  parts.name.hidden = line.name === undefined;
  const { className, text } = shownOf(line);
  parts.value.className = className;
  if (row.text === text) return;
  if (withFlash && row.text !== undefined) {
    const isA = element.classList.contains('flash-a');
    element.classList.toggle('flash-a', !isA);
    element.classList.toggle('flash-b', isA);
  }
  row.text = text;
  setText(parts.value, text);
}

function shownOf({ isOpen, value }) {
  if (isContainer(value)) {
    const count = countOf(value);
    const size = Array.isArray(value) ? `[${number.format(count)}]` : `{${number.format(count)}}`;
    if (count === 0) return { className: 'empty-part', text: Array.isArray(value) ? '[]' : '{}' };
    if (isOpen) return { className: 'summary', text: size };
    return { className: 'summary', text: `${size} ${previewText({ kind: 'json', value }, SUMMARY_LENGTH_MAX)}` };
  }
  if (typeof value === 'string') {
    const isLong = value.length > SCALAR_LENGTH_MAX;
    const text = JSON.stringify(isLong ? value.slice(0, SCALAR_LENGTH_MAX) : value);
    return { className: 'string', text: isLong ? `${text} … ${number.format(value.length)} characters in all` : text };
  }
  return {
    className: value === null ? 'null' : typeof value === 'boolean' ? 'boolean' : 'number',
    text: scalarText(value),
  };
}

function countOf(value) {
  return Array.isArray(value) ? value.length : Object.keys(value).length;
}

/** What differs between two values, as a list of places. Bounded in its length and in the work it does. */
import { isContainer, scalarText, wholeText } from './values.js';

const NODES_MAX = 200_000;
const LINES_MAX = 200;

/** @typedef {{ path: string, kind: 'added' | 'removed' | 'changed', before?: unknown, after?: unknown }} Difference */

/**
 * @param {import('./values.js').Content} before @param {import('./values.js').Content} after @param {number} countMax
 * @returns {{ items: Difference[], lines?: { kind: 'added' | 'removed', text: string }[], isCut: boolean }} `lines` where
 *   the two are text, which is compared line by line
 */
export function differences(before, after, countMax) {
  if (before.kind === 'json' && after.kind === 'json') {
    const walk = new Walk(countMax);
    walk.compare(before.value, after.value, '');
    return { items: walk.items, isCut: walk.isCut };
  }
  const { lines, isCut } = lineDifferences(wholeText(before), wholeText(after));
  return { items: [], lines, isCut };
}

// What stands before the first and behind the last line that differs is left out: enough for what is written as a whole.
function lineDifferences(before, after) {
  const [old, young] = [before, after].map((text) => (text === '' ? [] : text.split('\n')));
  let head = 0;
  while (head < Math.min(old.length, young.length) && old[head] === young[head]) head += 1;
  let tail = 0;
  while (tail < Math.min(old.length, young.length) - head && old.at(-1 - tail) === young.at(-1 - tail)) tail += 1;
  const removed = old.slice(head, old.length - tail);
  const added = young.slice(head, young.length - tail);
  const shown = (texts, kind) => texts.slice(0, LINES_MAX).map((text) => ({ kind, text }));
  return {
    lines: [...shown(removed, 'removed'), ...shown(added, 'added')],
    isCut: removed.length > LINES_MAX || added.length > LINES_MAX,
  };
}

class Walk {
  /** @type {Difference[]} */
  items = [];
  isCut = false;
  #nodes = 0;
  #countMax;

  constructor(countMax) {
    this.#countMax = countMax;
  }

  compare(before, after, path) {
    if (this.#isOver()) return;
    if (!isContainer(before) || !isContainer(after) || Array.isArray(before) !== Array.isArray(after)) {
      if (!this.#isEqual(before, after)) this.#tell({ path, kind: 'changed', before, after });
      return;
    }
    if (Array.isArray(before)) this.#compareLists(before, /** @type {unknown[]} */ (after), path);
    else this.#compareObjects(before, after, path);
  }

  #compareObjects(before, after, path) {
    for (const name of Object.keys(before)) {
      const inner = path === '' ? nameOf(name) : `${path}${nameOf(name).startsWith('[') ? '' : '.'}${nameOf(name)}`;
      if (Object.hasOwn(after, name)) this.compare(before[name], after[name], inner);
      else this.#tell({ path: inner, kind: 'removed', before: before[name] });
    }
    for (const name of Object.keys(after)) {
      if (Object.hasOwn(before, name)) continue;
      const inner = path === '' ? nameOf(name) : `${path}${nameOf(name).startsWith('[') ? '' : '.'}${nameOf(name)}`;
      this.#tell({ path: inner, kind: 'added', after: after[name] });
    }
  }

  // Equal beginnings and ends are left out, so that one item put in or taken out does not change all behind it.
  #compareLists(before, after, path) {
    const least = Math.min(before.length, after.length);
    let head = 0;
    while (head < least && this.#isEqual(before[head], after[head])) head += 1;
    let tail = 0;
    while (tail < least - head && this.#isEqual(before.at(-1 - tail), after.at(-1 - tail))) tail += 1;
    const both = least - head - tail;
    for (let index = head; index < head + both; index += 1)
      this.compare(before[index], after[index], `${path}[${index}]`);
    for (let index = head + both; index < before.length - tail; index += 1)
      this.#tell({ path: `${path}[${index}]`, kind: 'removed', before: before[index] });
    for (let index = head + both; index < after.length - tail; index += 1)
      this.#tell({ path: `${path}[${index}]`, kind: 'added', after: after[index] });
  }

  #isEqual(a, b) {
    this.#nodes += 1;
    if (this.#nodes > NODES_MAX) return true;
    if (!isContainer(a) || !isContainer(b))
      return !isContainer(a) && !isContainer(b) && scalarText(a) === scalarText(b);
    if (Array.isArray(a) !== Array.isArray(b)) return false;
    const names = Object.keys(a);
    return (
      names.length === Object.keys(b).length &&
      names.every((name) => Object.hasOwn(b, name) && this.#isEqual(a[name], b[name]))
    );
  }

  #tell(difference) {
    if (this.items.length < this.#countMax) this.items.push(difference);
    else this.isCut = true;
  }

  #isOver() {
    this.#nodes += 1;
    if (this.#nodes > NODES_MAX) this.isCut = true;
    return this.isCut;
  }
}

/** As one writes it in JavaScript: a name, or `["a b"]`. */
function nameOf(name) {
  return /^[A-Za-z_$][\w$-]*$/.test(name) ? name : `[${JSON.stringify(name)}]`;
}

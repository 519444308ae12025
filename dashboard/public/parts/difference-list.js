/** What differs between two values, for people: places with what was and what is, or lines of text. */
import { differences } from '../difference.js';
import { el } from '../element.js';
import { previewText } from '../values.js';

const COUNT_MAX = 200;
const SIDE_LENGTH_MAX = 400;

/**
 * @param {import('../values.js').Content} before
 * @param {import('../values.js').Content} after
 * @param {string} equalText where nothing differs
 * @returns {Node[]}
 */
export function differenceList(before, after, equalText) {
  const { isCut, items, lines } = differences(before, after, COUNT_MAX);
  const rows = lines === undefined ? items.map(placeRow) : lines.map(lineRow);
  if (rows.length === 0) return [el('p', { class: 'note', text: equalText })];
  const list = el('ul', { class: 'differences' }, ...rows);
  if (!isCut) return [list];
  return [list, el('p', { class: 'note', text: `There are more; the first ${rows.length} are shown.` })];
}

/** @param {import('../difference.js').Difference} difference */
function placeRow({ after, before, kind, path }) {
  return el(
    'li',
    { class: kind },
    el('span', { class: 'path', text: path === '' ? 'the whole value' : path }),
    el(
      'span',
      { class: 'sides' },
      kind === 'added' ? undefined : side('del', before),
      kind === 'removed' ? undefined : side('ins', after),
    ),
  );
}

function side(name, value) {
  return el(
    name,
    {},
    el('span', { class: 'hidden', text: name === 'del' ? 'before: ' : 'after: ' }),
    previewText({ kind: 'json', value }, SIDE_LENGTH_MAX),
  );
}

function lineRow({ kind, text }) {
  const name = kind === 'removed' ? 'del' : 'ins';
  return el('li', { class: `line ${kind}` }, el(name, {}, previewText({ kind: 'text', text }, SIDE_LENGTH_MAX)));
}

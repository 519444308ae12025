/**
 * The changes of one key that are still in the window, newest first, and which two of them are compared.
 *
 * Invariant: `#changes` is in the order of versions, oldest first, without a version twice, and at most `CHANGES_MAX` long.
 */
import { el, setText } from '../element.js';
import { roveAmong } from '../parts/roving.js';
import { ageText, momentText } from '../times.js';
import { contentOf, previewText } from '../values.js';
import { isNewer } from '../versions.js';

const CHANGES_MAX = 200;
/** Of what the watch told; the server bounds what it answers. */
const LENGTH_MAX = 32_000_000;
const PREVIEW_LENGTH_MAX = 160;
const NEWEST = 'newest';
const BEFORE = 'before';

export class KeyHistory {
  #changes = [];
  /** Of the changes' texts, in their order. */
  #lengths = [];
  #isCut = false;
  #rows = new Map();
  #onChoice;
  /** A version, or the newest, whichever it is. */
  #to = NEWEST;
  /** A version, or the one before the other. */
  #from = BEFORE;
  #nowMs = Date.now();
  #list = el('ol', { class: 'history' });
  #roving = roveAmong(this.#list, 'button');
  #note = el('p', { class: 'note' });
  #fromSelect = el('select', { id: 'compare-from', on: { change: () => this.#chose() } });
  #toSelect = el('select', { id: 'compare-to', on: { change: () => this.#chose() } });
  choice = el(
    'div',
    { class: 'choice' },
    el('label', { for: 'compare-from', text: 'from' }),
    this.#fromSelect,
    el('label', { for: 'compare-to', text: 'to' }),
    this.#toSelect,
  );
  element = el('div', {}, this.#list, this.#note);

  /** @param {() => void} onChoice other versions are to be compared */
  constructor(onChoice) {
    this.#onChoice = onChoice;
  }

  show(changes, isCut) {
    this.#changes = changes;
    this.#lengths = changes.map(() => 0);
    this.#isCut = isCut;
    this.#to = NEWEST;
    this.#from = BEFORE;
    this.draw();
  }

  /** A change that the watch told; one that is known already is left out. */
  add(change, length) {
    if (!isNewer(change.version, this.#changes.at(-1)?.version)) return;
    this.#changes.push(change);
    this.#lengths.push(length);
    let total = this.#lengths.reduce((sum, each) => sum + each, 0);
    while (this.#changes.length > CHANGES_MAX || (total > LENGTH_MAX && this.#changes.length > 2)) {
      this.#changes.shift();
      total -= this.#lengths.shift() ?? 0;
      this.#isCut = true;
    }
  }

  /** The two that are compared. @returns {{ before: any, after: any }} */
  chosen() {
    const at =
      this.#to === NEWEST ? this.#changes.length - 1 : this.#changes.findIndex(({ version }) => version === this.#to);
    const after = this.#changes[at];
    if (this.#from !== BEFORE) return { before: this.#changes.find(({ version }) => version === this.#from), after };
    return { before: this.#changes[at - 1], after };
  }

  age(nowMs) {
    this.#nowMs = nowMs;
    for (const row of this.#rows.values()) setText(row.age, ageText(row.change.updated, nowMs));
  }

  draw() {
    const held = new Set(this.#changes.map(({ version }) => version));
    if (this.#to !== NEWEST && !held.has(this.#to)) this.#to = NEWEST;
    if (this.#from !== BEFORE && !held.has(this.#from)) this.#from = BEFORE;
    for (const [version, row] of this.#rows) {
      if (held.has(version)) continue;
      row.item.remove();
      this.#rows.delete(version);
    }
    for (const change of this.#changes) {
      if (this.#rows.has(change.version)) continue;
      const row = this.#makeRow(change);
      this.#rows.set(change.version, row);
      this.#list.prepend(row.item);
    }
    this.#drawSelects();
    this.#drawChosen();
    this.#roving.settle();
    setText(this.#note, this.#noteText());
  }

  #noteText() {
    if (this.#changes.length === 0) return 'No change of this key is held any more.';
    if (this.#isCut) return 'Older changes are not shown.';
    return 'Older changes are not in the window any more, or there were none.';
  }

  #makeRow(change) {
    const { op, reason, updated, version } = change;
    const age = el('span', { class: 'age', text: ageText(updated, this.#nowMs) });
    const label = op === 'remove' ? (reason ?? 'removed') : op;
    const preview = previewText(contentOf(change), PREVIEW_LENGTH_MAX);
    const button = el(
      'button',
      { type: 'button', class: 'change', tabindex: '-1', on: { click: () => this.#choose(version) } },
      el('span', { class: `badge ${op}`, text: label }),
      el('span', { class: 'version', text: version }),
      age,
      el('span', { class: 'preview', text: preview === '' ? '—' : preview }),
    );
    button.title = `Compare this change with the one before it; updated ${updated}`;
    return { item: el('li', {}, button), button, age, change };
  }

  #choose(version) {
    this.#to = version === this.#changes.at(-1)?.version ? NEWEST : version;
    this.#from = BEFORE;
    this.#drawSelects();
    this.#drawChosen();
    this.#onChoice();
  }

  #chose() {
    this.#from = this.#fromSelect.value;
    this.#to = this.#toSelect.value;
    this.#drawChosen();
    this.#onChoice();
  }

  #drawSelects() {
    const options = this.#changes
      .map(({ updated, version }) => [version, `${version} · ${momentText(updated, this.#nowMs)}`])
      .reverse();
    fill(this.#fromSelect, [[BEFORE, 'the one before'], ...options], this.#from);
    fill(this.#toSelect, [[NEWEST, 'the newest'], ...options], this.#to);
    this.choice.hidden = this.#changes.length < 2;
  }

  #drawChosen() {
    const { after, before } = this.chosen();
    for (const [version, { button }] of this.#rows) {
      button.setAttribute('aria-pressed', String(version === after?.version));
      button.classList.toggle('is-before', version === before?.version);
    }
  }
}

function fill(select, options, chosen) {
  const known = [...select.options].map(({ value }) => value);
  // A list that is open must not be built anew for nothing.
  if (known.length !== options.length || options.some(([value], index) => known[index] !== value))
    select.replaceChildren(...options.map(([value, text]) => el('option', { value, text })));
  select.value = chosen;
}

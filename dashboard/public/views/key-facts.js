/** What is known of an entry beside its value; age, freshness and expiry count before one's eyes. */
import { el, setText } from '../element.js';
import { countingText, isStale, momentText } from '../times.js';

const FACTS = ['Age', 'Freshness', 'Expires', 'Updated', 'Version', 'Origin', 'Type', 'Size'];

export class KeyFacts {
  #entry;
  #isGone = false;
  #cells = Object.fromEntries(FACTS.map((name) => [name, el('dd')]));
  element = el(
    'dl',
    { class: 'facts', hidden: true },
    ...FACTS.map((name) => el('div', {}, el('dt', { text: name }), this.#cells[name])),
  );

  show(entry, isGone, size) {
    this.#entry = entry;
    this.#isGone = isGone;
    this.element.hidden = entry === undefined;
    if (entry === undefined) return;
    setText(this.#cells.Updated, momentText(entry.updated, Date.now()));
    this.#cells.Updated.title = entry.updated;
    setText(this.#cells.Version, entry.version);
    setText(this.#cells.Origin, entry.origin ?? '—');
    setText(this.#cells.Type, entry.contentType ?? 'JSON');
    setText(this.#cells.Size, size);
  }

  age(nowMs, state) {
    const entry = this.#entry;
    if (entry === undefined) return;
    setText(this.#cells.Age, countingText(nowMs - Date.parse(entry.updated)));
    const { kind, text } = this.#freshness(nowMs, state);
    const cell = this.#cells.Freshness;
    if (cell.dataset.kind !== kind || cell.textContent !== text) {
      cell.dataset.kind = kind;
      cell.replaceChildren(el('span', { class: `badge ${kind}`, text }));
    }
    const left = entry.expires === undefined ? undefined : Date.parse(entry.expires) - nowMs;
    setText(
      this.#cells.Expires,
      this.#isGone || left === undefined ? '—' : left > 0 ? `in ${countingText(left)}` : 'due',
    );
  }

  #freshness(nowMs, state) {
    const entry = this.#entry;
    if (this.#isGone) return { kind: 'removed', text: 'removed' };
    if (state !== 'live' && state !== 'behind') return { kind: 'unknown', text: 'not known' };
    const { valid } = entry;
    if (isStale(entry, nowMs)) {
      return {
        kind: 'stale',
        text: valid === undefined ? 'stale' : `stale for ${countingText(nowMs - Date.parse(valid))}`,
      };
    }
    if (valid === undefined) return { kind: 'fresh', text: 'live, no limit' };
    return { kind: 'fresh', text: `fresh for ${countingText(Date.parse(valid) - nowMs)}` };
  }
}

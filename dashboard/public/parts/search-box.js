/** The filter that keys and stream share: an exact key, a prefix or a glob; it is part of the address. */
import { el } from '../element.js';

const TYPING_MS = 250;
const KINDS = {
  prefix: { label: 'Prefix', placeholder: 'A prefix, such as sensor.', long: 'Only keys that begin with' },
  pattern: { label: 'Glob', placeholder: 'A glob, such as sensor.*.temp', long: 'Only keys that match' },
  key: { label: 'Key', placeholder: 'An exact key', long: 'Only the key' },
};

/** @param {URLSearchParams} params @returns {{ kind: keyof typeof KINDS, term: string }} */
export function filterOf(params) {
  for (const kind of /** @type {const} */ (['key', 'pattern', 'prefix'])) {
    const term = params.get(kind);
    if (term !== null) return { kind, term };
  }
  return { kind: 'prefix', term: '' };
}

/** As the server takes it: no term is every key. */
export function queryOf({ kind, term }) {
  return new URLSearchParams(term === '' ? {} : { [kind]: term });
}

/** As the address tells it: also which kind of filter is about to be typed. @returns {Record<string, string>} */
export function addressOf({ kind, term }) {
  return term === '' && kind === 'prefix' ? {} : { [kind]: term };
}

export class SearchBox {
  #onFilter;
  #typing;
  #term;
  #label;
  #radios;
  element;

  /** @param {{ kind: keyof typeof KINDS, term: string }} filter @param {(filter: any) => void} onFilter @param {(filter: any) => void} [onEnter] */
  constructor(filter, onFilter, onEnter) {
    this.#onFilter = onFilter;
    this.#term = el('input', {
      id: 'term',
      type: 'search',
      spellcheck: 'false',
      autocapitalize: 'none',
      autocomplete: 'off',
      enterkeyhint: 'search',
      on: { keydown: (event) => this.#pressed(event) },
    });
    this.#label = el('label', { class: 'hidden', for: 'term' });
    this.#radios = Object.entries(KINDS).map(([kind, { label }]) =>
      el('label', {}, el('input', { type: 'radio', name: 'kind', value: kind }), el('span', { text: label })),
    );
    const form = el(
      'form',
      {
        class: 'filter',
        autocomplete: 'off',
        on: {
          submit: (event) => {
            event.preventDefault();
            this.#apply();
            onEnter?.(this.filter);
          },
          input: (event) => this.#later(event.target === this.#term ? TYPING_MS : 0),
        },
      },
      el('fieldset', { class: 'kinds' }, el('legend', { class: 'hidden', text: 'The filter is a' }), ...this.#radios),
      el(
        'div',
        { class: 'field' },
        this.#label,
        this.#term,
        el('kbd', { class: 'hint', text: '/', 'aria-hidden': 'true' }),
      ),
    );
    this.element = el('search', {}, form);
    this.show(filter);
  }

  get filter() {
    const chosen = this.#radios.map((label) => label.firstChild).find(({ checked }) => checked);
    return { kind: chosen?.value ?? 'prefix', term: this.#term.value };
  }

  /** As the address says, without telling anybody. */
  show({ kind, term }) {
    clearTimeout(this.#typing);
    for (const label of this.#radios) label.firstChild.checked = label.firstChild.value === kind;
    if (this.#term.value !== term) this.#term.value = term;
    this.#explain(kind);
  }

  focus() {
    this.#term.focus();
    this.#term.select();
  }

  dispose() {
    clearTimeout(this.#typing);
  }

  #explain(kind) {
    this.#term.placeholder = KINDS[kind].placeholder;
    this.#label.textContent = KINDS[kind].long;
  }

  #later(ms) {
    this.#explain(this.filter.kind);
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.#apply(), ms);
  }

  #apply() {
    clearTimeout(this.#typing);
    this.#onFilter(this.filter);
  }

  #pressed(event) {
    if (event.key !== 'Escape' || this.#term.value === '') return;
    event.preventDefault();
    event.stopPropagation();
    this.#term.value = '';
    this.#apply();
  }
}

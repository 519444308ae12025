/** The keys that work everywhere, and the dialog that tells them. */
import { el } from '../element.js';

const SEQUENCE_MAX_MS = 1200;
const GO = { k: 'keys', s: 'stream', d: 'dead-letters', t: 'status' };
const TOLD = [
  ['/', 'search'],
  ['g k', 'keys'],
  ['g s', 'stream'],
  ['g d', 'dead letters'],
  ['g t', 'status'],
  ['[ ]', 'previous and next page'],
  ['p', 'pause or resume the stream'],
  ['↑ ↓', 'move between rows'],
  ['← →', 'close and open parts of a value'],
  ['Enter', 'open what is focused'],
  ['Esc', 'empty the search, close a dialog'],
  ['?', 'this list'],
];

export class Shortcuts {
  #on;
  #goAtMs = Number.NEGATIVE_INFINITY;
  #dialog;

  /** @param {{ go: (view: string) => void, search: () => void, press: (key: string) => boolean }} on */
  constructor(on) {
    this.#on = on;
    const rows = TOLD.flatMap(([keys, text]) => [
      el('dt', {}, ...keys.split(' ').map((key) => el('kbd', { text: key }))),
      el('dd', { text }),
    ]);
    this.#dialog = el(
      'dialog',
      { class: 'dialog', 'aria-labelledby': 'shortcuts-title' },
      el('h2', { id: 'shortcuts-title', text: 'Keys of the keyboard' }),
      el('dl', { class: 'shortcuts' }, ...rows),
      el(
        'div',
        { class: 'actions' },
        el('button', { class: 'button', type: 'button', text: 'Close', on: { click: () => this.#dialog.close() } }),
      ),
    );
    document.body.append(this.#dialog);
    document.addEventListener('keydown', (event) => this.#pressed(event));
  }

  show() {
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  #pressed(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector('dialog[open]') !== null) return;
    if (this.#act(event.key)) event.preventDefault();
  }

  #act(key) {
    const isSequence = performance.now() - this.#goAtMs < SEQUENCE_MAX_MS;
    this.#goAtMs = key === 'g' ? performance.now() : Number.NEGATIVE_INFINITY;
    if (isSequence && Object.hasOwn(GO, key)) this.#on.go(GO[key]);
    else if (key === '/') this.#on.search();
    else if (key === '?') this.show();
    else return this.#on.press(key);
    return true;
  }
}

function isTyping(target) {
  return target instanceof HTMLInputElement
    ? target.type !== 'radio' && target.type !== 'checkbox'
    : target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

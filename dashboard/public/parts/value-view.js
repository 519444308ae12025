/** A value: JSON as a tree or as text, text as it is, bytes as a dump; and all of it for the clipboard. Bounded in what it renders. */
import { el, icon, setText } from '../element.js';
import { hexDump, isContainer, sizeText, wholeText } from '../values.js';
import { Tree } from './tree.js';

const TEXT_LENGTH_MAX = 100_000;
const DUMP_BYTES_MAX = 4096;
const COPIED_MS = 1500;
const number = new Intl.NumberFormat();

export class ValueView {
  #content = /** @type {import('../values.js').Content} */ ({ kind: 'none' });
  #tree = new Tree();
  #text = el('pre', { class: 'text', tabindex: '0', role: 'region', 'aria-label': 'The value as text' });
  #note = el('p', { class: 'note', hidden: true });
  #mode = 'tree';
  #modes = ['tree', 'text'].map((mode) =>
    el(
      'label',
      {},
      el('input', {
        type: 'radio',
        name: 'mode',
        value: mode,
        checked: mode === 'tree',
        on: { change: () => this.#choose(mode) },
      }),
      el('span', { text: mode === 'tree' ? 'Tree' : 'Text' }),
    ),
  );
  modes = el(
    'fieldset',
    { class: 'kinds' },
    el('legend', { class: 'hidden', text: 'Show the value as' }),
    ...this.#modes,
  );
  copy = copyButton('Copy', () => wholeText(this.#content), 'Copy value');
  element = el('div', { class: 'value-view' }, this.#tree.element, this.#text, this.#note);

  /** @param {import('../values.js').Content} content @param {boolean} [withFlash] */
  show(content, withFlash = false) {
    this.#content = content;
    this.#draw(withFlash);
  }

  forget() {
    this.#tree.forget();
  }

  #choose(mode) {
    this.#mode = mode;
    this.#draw(false);
  }

  #draw(withFlash) {
    const content = this.#content;
    const isTree = content.kind === 'json' && this.#mode === 'tree';
    this.modes.hidden = content.kind !== 'json' || !isContainer(content.value);
    this.copy.hidden = content.kind === 'none';
    this.#tree.element.hidden = !isTree;
    this.#text.hidden = isTree || content.kind === 'none';
    let note;
    if (isTree) this.#tree.show(content.value, withFlash);
    else if (content.kind === 'bytes') {
      setText(this.#text, hexDump(content.bytes, DUMP_BYTES_MAX));
      if (content.bytes.length > DUMP_BYTES_MAX)
        note = `The first ${sizeText(DUMP_BYTES_MAX)} of ${sizeText(content.bytes.length)} are shown.`;
    } else if (content.kind !== 'none') {
      const whole = wholeText(content);
      setText(this.#text, whole.slice(0, TEXT_LENGTH_MAX));
      if (whole.length > TEXT_LENGTH_MAX)
        note = `The first ${number.format(TEXT_LENGTH_MAX)} of ${number.format(whole.length)} characters are shown; Copy takes all.`;
    }
    this.#note.hidden = note === undefined;
    setText(this.#note, note ?? '');
  }
}

/** @param {string} label @param {() => string} read what goes to the clipboard @param {string} [name] where the label alone does not say what */
export function copyButton(label, read, name) {
  const text = el('span', { text: label });
  const picture = el('span', { class: 'picture' }, icon('copy'));
  const told = el('span', { class: 'hidden', role: 'status' });
  let timer;
  const copy = async () => {
    let isCopied = true;
    try {
      await navigator.clipboard.writeText(read());
    } catch {
      // Without a secure origin, or where it is not allowed.
      isCopied = copyBySelection(read());
    }
    setText(told, isCopied ? 'Copied' : 'The browser did not allow copying');
    picture.replaceChildren(icon(isCopied ? 'check' : 'copy'));
    clearTimeout(timer);
    timer = setTimeout(() => {
      picture.replaceChildren(icon('copy'));
      setText(told, '');
    }, COPIED_MS);
  };
  return el(
    'button',
    { class: 'button', type: 'button', 'aria-label': name, on: { click: () => void copy() } },
    picture,
    text,
    told,
  );
}

function copyBySelection(text) {
  const area = el('textarea', { class: 'hidden', 'aria-hidden': 'true', tabindex: '-1' });
  area.value = text;
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand('copy');
  area.remove();
  return isCopied;
}

/** One dead letter: what came, where from, why it was not taken; and replay, with another text if need be, or drop. */
import { el, setText } from '../element.js';
import { confirmed } from '../parts/dialog.js';
import { call, faultOf } from '../server.js';
import { ageText } from '../times.js';
import { contentOf, hexDump, previewText, scalarText } from '../values.js';

const TEXT_LENGTH_MAX = 20_000;
/** A longer message is not edited in a text field. */
const EDIT_LENGTH_MAX = 200_000;
const DUMP_BYTES_MAX = 2048;
const number = new Intl.NumberFormat();

export class DeadLetter {
  #letter;
  #age = el('span', { class: 'age' });
  #outcome = el('p', { class: 'outcome', role: 'status', hidden: true });
  #actions;
  #message;
  #editor;
  element;

  constructor(letter, nowMs) {
    this.#letter = letter;
    const { coordinates, id, reason, replays, source } = letter;
    const summary = el(
      'summary',
      {},
      el('span', { class: 'badge refused', text: reason.code }),
      el('span', { class: 'source', text: source }),
      el('span', { class: 'where', text: coordinatesText(coordinates) }),
      this.#age,
      el('span', { class: 'why', text: reason.message }),
    );
    const button = (text, act, kind = '') =>
      el('button', { class: `button ${kind}`, type: 'button', text, on: { click: act } });
    const isEditable = letter.encoding === undefined && letter.message.length <= EDIT_LENGTH_MAX;
    this.#actions = el(
      'div',
      { class: 'actions' },
      button('Dry run', () => void this.#replay(true)),
      isEditable ? button('Edit', () => this.#edit()) : undefined,
      button('Replay', () => void this.#replay(false), 'primary'),
      button('Drop', () => void this.#drop(), 'danger'),
    );
    this.#message = el('div', {}, ...messageOf(letter));
    const facts = {
      id,
      received: letter.receivedAt,
      replays: String(replays),
      ...textsOf('', coordinates),
      ...textsOf('header ', letter.headers),
    };
    const details = el(
      'details',
      { data: { id } },
      summary,
      el(
        'div',
        { class: 'letter-body' },
        el(
          'dl',
          { class: 'small-facts' },
          ...Object.entries(facts).flatMap(([name, text]) => [el('dt', { text: name }), el('dd', { text })]),
        ),
        el('h2', { text: 'Message' }),
        this.#message,
        this.#actions,
        this.#outcome,
      ),
    );
    this.element = el('li', {}, details);
    this.age(nowMs);
  }

  age(nowMs) {
    setText(this.#age, ageText(this.#letter.receivedAt, nowMs));
  }

  #edit() {
    if (this.#editor !== undefined) return;
    const { id, message } = this.#letter;
    this.#editor = el('textarea', { class: 'editor', id: `edit-${id}`, rows: '8', spellcheck: 'false' });
    this.#editor.value = message;
    this.#message.replaceChildren(
      el('label', { class: 'note', for: `edit-${id}`, text: 'Replay takes this text in place of the message:' }),
      this.#editor,
    );
    this.#editor.focus();
  }

  async #replay(isDryRun) {
    const { id } = this.#letter;
    const body = this.#editor?.value;
    const isMeant =
      isDryRun ||
      (await confirmed({
        title: 'Replay this dead letter',
        text: `The message is read ${body === undefined ? 'again' : 'as you edited it'} and written. If that goes well, the letter is gone.`,
        action: 'Replay',
      }));
    if (!isMeant) return;
    await this.#run(async () => {
      const path = `v1/dead-letters/${encodeURIComponent(id)}/replay${isDryRun ? '?dryRun=true' : ''}`;
      const answer = await call(path, { method: 'POST', ...(body === undefined ? {} : { body }) });
      if (isDryRun) {
        const count = Number(answer.commands);
        this.#tell(
          `It can be read: ${number.format(count)} ${count === 1 ? 'command' : 'commands'}. Nothing was written.`,
        );
      } else
        this.#done(
          `Replayed: ${answer.outcomes.map(({ outcome, version }) => `${outcome}${version === undefined ? '' : ` ${version}`}`).join(', ') || 'nothing to write'}.`,
        );
    });
  }

  async #drop() {
    const { id } = this.#letter;
    const isMeant = await confirmed({
      title: 'Drop this dead letter',
      text: `The message is gone then, and with it the only copy that this server has. It came from ${this.#letter.source}, ${coordinatesText(this.#letter.coordinates)}.`,
      action: 'Drop',
      isDangerous: true,
    });
    if (!isMeant) return;
    await this.#run(async () => {
      await call(`v1/dead-letters/${encodeURIComponent(id)}`, { method: 'DELETE' });
      this.#done('Dropped.');
    });
  }

  async #run(act) {
    for (const button of this.#actions.children) button.disabled = true;
    this.#tell('Working…');
    try {
      await act();
    } catch (error) {
      const { code, message } = faultOf(error);
      // Somebody else replayed or dropped it, or it grew too old.
      if (code === 'not-found') this.#done(message);
      else this.#tell(`It stays: ${message}`, true);
    } finally {
      for (const button of this.#actions.children) button.disabled = false;
    }
  }

  #done(text) {
    this.#tell(text);
    this.#actions.hidden = true;
    this.element.classList.add('is-done');
  }

  #tell(text, isBad = false) {
    this.#outcome.hidden = false;
    this.#outcome.classList.toggle('is-bad', isBad);
    setText(this.#outcome, text);
  }
}

function messageOf({ encoding, message }) {
  if (encoding !== undefined) {
    const content = /** @type {any} */ (contentOf({ value: message, encoding }));
    const isCut = content.bytes.length > DUMP_BYTES_MAX;
    return [
      textBlock(hexDump(content.bytes, DUMP_BYTES_MAX)),
      ...(isCut
        ? [
            el('p', {
              class: 'note',
              text: `The first ${number.format(DUMP_BYTES_MAX)} of ${number.format(content.bytes.length)} bytes are shown.`,
            }),
          ]
        : []),
    ];
  }
  if (message.length <= TEXT_LENGTH_MAX) return [textBlock(message)];
  return [
    textBlock(message.slice(0, TEXT_LENGTH_MAX)),
    el('p', {
      class: 'note',
      text: `The first ${number.format(TEXT_LENGTH_MAX)} of ${number.format(message.length)} characters are shown.`,
    }),
  ];
}

function textBlock(text) {
  return el('pre', { class: 'text', tabindex: '0', role: 'region', 'aria-label': 'The message', text });
}

function textsOf(prefix, record) {
  return Object.fromEntries(
    Object.entries(record).map(([name, value]) => [
      `${prefix}${name}`,
      typeof value === 'string' ? value : previewText({ kind: 'json', value }, 300),
    ]),
  );
}

function coordinatesText(coordinates) {
  return Object.entries(coordinates)
    .map(
      ([name, value]) =>
        `${name} ${typeof value === 'object' && value !== null ? previewText({ kind: 'json', value }, 60) : typeof value === 'string' ? value : scalarText(value)}`,
    )
    .join(' · ');
}

/** Puts the page together: which view is shown, by the address; the frame around it; the keys that work everywhere. */
import { el, icon, setText } from './element.js';
import { Measures } from './measures.js';
import { Shortcuts } from './parts/shortcuts.js';
import { serverNow } from './server.js';
import { themeButton } from './theme-button.js';
import { DeadLettersView } from './views/dead-letters.js';
import { KeyView } from './views/key.js';
import { KeysView } from './views/keys.js';
import { LiveView } from './views/live.js';
import { StatusView } from './views/status.js';

const STATES = {
  connecting: 'Connecting',
  behind: 'Catching up',
  live: 'Live',
  reconnecting: 'Reconnecting',
  refused: 'Refused',
  paused: 'Paused',
  away: 'No answer',
  answering: 'Connected',
};
const NAV = [
  ['keys', 'Keys'],
  ['stream', 'Stream'],
  ['dead-letters', 'Dead letters'],
  ['status', 'Status'],
];
const LOOPBACK = /^(localhost|127\.[\d.]+|\[::1\])$/;
const number = new Intl.NumberFormat();
const find = (id) => /** @type {any} */ (document.getElementById(id));

const measures = new Measures();
let changes = 0;
let told = { state: 'connecting', message: undefined };
/** The browser says that it has no network. What runs on this very machine is reached all the same. */
let isOffline = false;

const shell = {
  now: serverNow,
  measures,
  /** How the view's connection is. @param {keyof typeof STATES} state @param {string} [message] */
  state(state, message) {
    told = { state, message };
    drawState();
  },
  /** One more change came. */
  count() {
    changes += 1;
  },
  keys: () => measures.latest?.keys,
  /** @param {string} view @param {Record<string, string>} [params] @param {{ replace?: boolean }} [how] */
  go(view, params = {}, { replace = false } = {}) {
    const query = new URLSearchParams(params);
    const hash = `#/${view}${query.size > 0 ? `?${query}` : ''}`;
    if (!replace) {
      location.hash = hash;
      return;
    }
    // Typing in a search box must not fill the history.
    history.replaceState(null, '', hash);
    route();
  },
};

/** Made when they are first asked for, and kept: a view knows where it was. */
const makers = {
  keys: () => new KeysView(shell),
  key: () => new KeyView(shell),
  stream: () => new LiveView(shell),
  'dead-letters': () => new DeadLettersView(shell),
  status: () => new StatusView(shell),
};
const made = new Map();
let view;
/** How far each view was scrolled when it was left. */
const scrolled = new Map();

function drawState() {
  const { message, state } = isOffline ? { state: 'away', message: 'This browser is offline.' } : told;
  find('state').dataset.state = state;
  find('state').title = message ?? '';
  setText(find('state-text'), isOffline ? 'Offline' : STATES[state]);
}

/** At once: a connection whose network is gone says nothing, and looks alive for a while. */
function setOffline(is) {
  isOffline = is;
  document.documentElement.toggleAttribute('data-offline', is);
  drawState();
}

function addressOf(hash) {
  const text = hash.replace(/^#/, '');
  // Addresses of the page's first version had the filter alone.
  if (!text.startsWith('/')) return { at: 'keys', params: new URLSearchParams(text) };
  const [path, query = ''] = text.slice(1).split(/\?(.*)/s);
  return { at: Object.hasOwn(makers, path) ? path : 'keys', params: new URLSearchParams(query) };
}

function route() {
  const { at, params } = addressOf(location.hash);
  const next = made.get(at) ?? makers[/** @type {keyof typeof makers} */ (at)]();
  made.set(at, next);
  const isOther = next !== view;
  if (isOther) {
    if (view !== undefined) scrolled.set(view, scrollY);
    view?.hide();
    find('main').replaceChildren(next.element);
    // Who comes back from a key goes on where they were in the list.
    const isBack = view === made.get('key') && scrolled.has(next);
    scrollTo(0, isBack ? scrolled.get(next) : 0);
    if (isBack) next.focusLast?.();
  } else next.hide();
  view = next;
  view.show(params);
  document.title = `${view.title} · Latchkey`;
  for (const link of document.querySelectorAll('.nav a')) {
    const isCurrent = link.getAttribute('href') === `#/${at === 'key' ? 'keys' : at}`;
    if (isCurrent) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
}

function buildFrame() {
  const links = NAV.map(([at, text]) =>
    el(
      'li',
      {},
      el(
        'a',
        { href: `#/${at}`, text },
        at === 'dead-letters' ? el('span', { class: 'count', id: 'letters', hidden: true }) : undefined,
      ),
    ),
  );
  find('nav').append(el('ul', {}, ...links));
  const shortcuts = new Shortcuts({
    go: (at) => shell.go(at),
    search: () => view?.focusSearch?.(),
    press: (key) => view?.press?.(key) === true,
  });
  const help = el('button', {
    class: 'button icon-only',
    type: 'button',
    id: 'help',
    title: 'Keys of the keyboard',
    'aria-label': 'Keys of the keyboard',
    text: '?',
    on: { click: () => shortcuts.show() },
  });
  find('tools').append(
    themeButton(icon, () => view?.themeChanged?.()),
    help,
  );
  find('skip').addEventListener('click', (event) => {
    event.preventDefault();
    find('main').focus();
  });
}

measures.onSample = (sample) => {
  const letters = find('letters');
  letters.hidden = !(sample.deadLetters > 0);
  setText(letters, number.format(sample.deadLetters ?? 0));
  view?.sampled?.(sample);
};

setInterval(() => {
  if (document.hidden) return;
  view?.tick?.(serverNow(), changes);
  changes = 0;
}, 1000);
addEventListener('online', () => {
  setOffline(false);
  view?.retry?.();
});
addEventListener('offline', () => setOffline(!LOOPBACK.test(location.hostname)));
addEventListener('hashchange', () => {
  route();
  // The keyboard goes on in the view that was asked for, and a reader is told its name.
  if (document.activeElement === null || document.activeElement === document.body)
    find('main').focus({ preventScroll: true });
});

buildFrame();
route();
measures.start();

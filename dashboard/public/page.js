/** Puts the page together: what the stream tells goes into the entries at once, and on the screen once a frame. */
import { Entries, KEYS_MAX } from './entries.js';
import { Stream } from './stream.js';
import { ROWS_MAX, Table } from './table.js';

const STATES = {
  connecting: 'Connecting',
  behind: 'Catching up',
  live: 'Live',
  reconnecting: 'Reconnecting',
  refused: 'Refused',
};
/** Rows come and go at most this often, so that a burst of new keys does not sort at every frame. */
const ARRANGE_MS = 250;
const CONFLATED_NOTICE_MS = 8000;

const find = (id) => document.getElementById(id);
const form = find('filter');
const term = find('term');
const entries = new Entries();
const table = new Table(find('rows'), entries);
const changed = new Set();
const number = new Intl.NumberFormat();

let state = 'connecting';
let order = 'key';
let generation = -1;
let arrangedAtMs = 0;
let changes = 0;
let rate = 0;
let rateAtMs = performance.now();
let isScheduled = false;
let conflatedAtMs = Number.NEGATIVE_INFINITY;
let refusal;

const stream = new Stream({
  state: (next, message) => {
    state = next;
    refusal = message;
    schedule();
  },
  change: (data) => {
    changes += 1;
    changed.add(entries.take(data));
    schedule();
  },
  reset: () => {
    entries.clear();
    changed.clear();
    schedule();
  },
  conflated: () => {
    conflatedAtMs = performance.now();
  },
  position: (position) => {
    find('position').textContent = position;
  },
});

function schedule() {
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(draw);
}

function draw() {
  isScheduled = false;
  const nowMs = Date.now();
  const frameMs = performance.now();
  // What a snapshot brings is not news, so it does not flash.
  const withFlash = state === 'live';
  const isMoved = generation !== entries.generation || (order === 'recent' && changed.size > 0);
  if (isMoved && (frameMs - arrangedAtMs >= ARRANGE_MS || entries.size <= ROWS_MAX)) {
    table.arrange(entries.keys(order, ROWS_MAX), nowMs);
    generation = entries.generation;
    arrangedAtMs = frameMs;
  } else if (isMoved) setTimeout(schedule, ARRANGE_MS);
  for (const key of changed) table.refresh(key, nowMs, withFlash);
  changed.clear();
  drawAround();
}

function drawAround() {
  find('state').dataset.state = state;
  setText('state-text', STATES[state]);
  setText('count-keys', `${number.format(entries.size)}${entries.leftOut > 0 ? '+' : ''}`);
  setText('shown', shownText());
  const notice = noticeText();
  find('notice').hidden = notice === undefined;
  find('notice').dataset.kind = state;
  setText('notice', notice ?? '');
  const isEmpty = entries.size === 0 && state === 'live';
  find('empty').hidden = !isEmpty;
  find('table').hidden = entries.size === 0;
  if (isEmpty) drawEmpty();
}

function drawEmpty() {
  const key = kind() === 'prefix' ? `${term.value}hello` : 'hello';
  const isFiltered = term.value !== '';
  setText(
    'empty-text',
    isFiltered
      ? 'No key matches this filter. New ones appear here by themselves.'
      : 'Nothing here yet. Put a first value, and watch it arrive:',
  );
  find('empty-command').hidden = isFiltered && kind() === 'pattern';
  setText(
    'empty-command',
    `curl -X PUT ${new URL(`v1/keys/${encodeURIComponent(key)}`, document.baseURI)} -d '{"greeting":"world"}'`,
  );
}

function shownText() {
  if (entries.size > table.shown) {
    const which = order === 'recent' ? 'the latest' : 'the first';
    return `${which} ${number.format(table.shown)} of ${number.format(entries.size)} keys are shown; a filter narrows them`;
  }
  return entries.size === 1 ? '1 key is shown' : `${number.format(entries.size)} keys are shown`;
}

function noticeText() {
  if (state === 'refused') return refusal;
  if (state === 'reconnecting')
    return `${refusal ?? 'The connection was lost.'} What is shown may be old; this page comes back by itself and resumes where it was.`;
  if (entries.leftOut > 0)
    return `This page holds ${number.format(KEYS_MAX)} keys and leaves the others out. A filter narrows them.`;
  if (performance.now() - conflatedAtMs < CONFLATED_NOTICE_MS)
    return 'This page was behind: older changes in between were skipped, every value is the latest.';
  return undefined;
}

// Only what differs is written: a status that is written anew is read out anew.
function setText(id, text) {
  const target = find(id);
  if (target.textContent !== text) target.textContent = text;
}

function kind() {
  return new FormData(form).get('kind');
}

function applyFilter() {
  const isPrefix = kind() === 'prefix';
  term.placeholder = isPrefix ? 'A prefix, such as sensor.' : 'A glob, such as sensor.*.temp';
  setText('term-label', isPrefix ? 'Only keys that begin with' : 'Only keys that match');
  const query = new URLSearchParams(term.value === '' ? {} : { [kind()]: term.value });
  // The filter is part of the address, so that it can be bookmarked and sent on.
  history.replaceState(null, '', `${location.pathname}${query.size > 0 ? `#${query}` : ''}`);
  stream.watch({ [kind()]: term.value });
}

function readAddress() {
  const query = new URLSearchParams(location.hash.slice(1));
  const [name, value] = [...query][0] ?? ['prefix', ''];
  const chosen = form.querySelector(`input[name="kind"][value="${name === 'pattern' ? 'pattern' : 'prefix'}"]`);
  chosen.checked = true;
  term.value = value;
}

let typing;
form.addEventListener('submit', (event) => event.preventDefault());
form.addEventListener('input', (event) => {
  if (event.target.name === 'order') {
    order = event.target.value;
    generation = -1;
    schedule();
    return;
  }
  clearTimeout(typing);
  typing = setTimeout(applyFilter, event.target === term ? 250 : 0);
});
term.addEventListener('keydown', (event) => {
  if (event.key === 'ArrowDown') {
    event.preventDefault();
    table.focusFirst();
  } else if (event.key === 'Escape' && term.value !== '') {
    event.preventDefault();
    term.value = '';
    applyFilter();
  }
});
document.addEventListener('keydown', (event) => {
  const isTyping = event.target instanceof HTMLInputElement && event.target.type === 'search';
  if (event.key !== '/' || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  term.focus();
  term.select();
});
addEventListener('online', () => stream.retry());
addEventListener('hashchange', () => {
  readAddress();
  applyFilter();
});

setInterval(() => {
  const nowMs = performance.now();
  rate = (changes * 1000) / (nowMs - rateAtMs);
  changes = 0;
  rateAtMs = nowMs;
  setText('count-rate', number.format(rate >= 10 ? Math.round(rate) : Math.round(rate * 10) / 10));
  if (document.hidden) return;
  table.age(Date.now());
  setText('count-stale', number.format(entries.countStale(Date.now())));
  drawAround();
}, 1000);

readAddress();
applyFilter();

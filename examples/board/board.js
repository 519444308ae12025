// A live board with nothing but the browser's own EventSource: it comes back by itself, and goes on after the last change it saw.
const STATUS = { connecting: 'Connecting', live: 'Live', waiting: 'Reconnecting' };
const COLUMNS = ['time', 'to', 'train', 'track', 'remark'];

/** The last entry of every key: that is all there is to keep. */
const entries = new Map();
const find = (id) => document.getElementById(id);

const watch = new EventSource('/v1/watch?prefix=departure.');
watch.onmessage = ({ data }) => {
  const { op, ...entry } = JSON.parse(data);
  if (op === 'remove') entries.delete(entry.key);
  else entries.set(entry.key, entry);
  drawSoon();
};
// Everything that was there has come; from here on it is news.
watch.addEventListener('synced', () => show('live'));
// What is held can't be brought up to date: a fresh snapshot follows, and `synced`.
watch.addEventListener('reset', () => entries.clear());
watch.onerror = () => show('waiting');

function show(status) {
  find('status').dataset.status = status;
  find('status').textContent = STATUS[status];
  find('table').dataset.old = String(status !== 'live');
  drawSoon();
}

// A burst of changes is drawn once.
let isDrawing = false;
function drawSoon() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(draw);
}

const rows = new Map();
function draw() {
  isDrawing = false;
  for (const [key, row] of rows) {
    if (entries.has(key)) continue;
    row.remove();
    rows.delete(key);
  }
  const sorted = [...entries.values()].sort((a, b) => (a.value.time < b.value.time ? -1 : 1));
  for (const [at, entry] of sorted.entries()) {
    const row = rows.get(entry.key) ?? newRow();
    rows.set(entry.key, row);
    fill(row, entry);
    const body = find('rows');
    if (body.children[at] !== row) body.insertBefore(row, body.children[at] ?? null);
  }
  find('empty').hidden = entries.size > 0;
}

function newRow() {
  const row = document.createElement('tr');
  for (const column of COLUMNS) row.insertCell().className = column;
  return row;
}

function fill(row, { key, value, version }) {
  if (row.dataset.version === version) return;
  row.dataset.key = key;
  row.dataset.version = version;
  row.dataset.late = String(value.remark !== '');
  for (const [at, column] of COLUMNS.entries()) {
    const cell = row.cells[at];
    const text = String(value[column] ?? '');
    if (cell.textContent === text) continue;
    if (cell.textContent !== '') cell.animate({ opacity: [0.1, 1] }, 600);
    cell.textContent = text;
  }
}

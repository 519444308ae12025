/** Bars of what `writer.ts` writes, drawn from a mirror of the client. */
import { connect, type Entry, mirror } from '@latchkey/client';
import { STATUS_WORDS } from '../host/status-words.ts';
import { type Gauge, type Host, PREFIX, type Traffic } from './facts.ts';

const SECTIONS = ['cpu', 'memory', 'disk', 'network'];

const machine = mirror<Gauge | Traffic | Host>(connect({ server: location.origin }), { prefixes: [PREFIX] });
const rows = new Map<string, HTMLLIElement>();
/** The most that a link was seen to carry, which its bar is measured by. */
const peaks = new Map<string, number>();
const number = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

machine.subscribe(draw);

function draw(): void {
  const { kind } = machine.status;
  const isLive = kind === 'live';
  const status = find('status');
  status.dataset.status = kind;
  status.textContent = STATUS_WORDS[kind];
  const entries = machine.entries();
  const keys = new Set(entries.map(({ key }) => key));
  for (const [key, row] of rows) {
    if (keys.has(key)) continue;
    row.remove();
    rows.delete(key);
  }
  for (const entry of entries) {
    const { value } = entry;
    if (value === undefined) continue;
    if ('name' in value) find('host').textContent = `${value.name} · ${value.system}`;
    else drawRow(entry, value, isLive);
  }
}

function drawRow(entry: Entry<Gauge | Traffic | Host>, value: Gauge | Traffic, isLive: boolean): void {
  const [section = '', ...rest] = entry.key.slice(PREFIX.length).split('.');
  if (!SECTIONS.includes(section)) return;
  const row = rows.get(entry.key) ?? newRow(entry.key, section, rest.join('.'));
  row.dataset.version = entry.version;
  row.dataset.old = String(!isLive || entry.stale === true);
  const [part, text] = 'unit' in value ? ofGauge(value) : ofTraffic(entry.key, value);
  const meter = row.querySelector('meter');
  if (meter !== null) meter.value = part;
  const output = row.querySelector('output');
  if (output !== null) output.textContent = text;
}

function newRow(key: string, section: string, name: string): HTMLLIElement {
  const row = document.createElement('li');
  row.dataset.key = key;
  const label = document.createElement('label');
  const meter = document.createElement('meter');
  label.append(section === 'cpu' ? `core ${name}` : name);
  label.append(meter);
  row.append(label, document.createElement('output'));
  rows.set(key, row);
  const list = find(section);
  const after = [...list.children].find((other) => compare((other as HTMLLIElement).dataset.key ?? '', key) > 0);
  list.insertBefore(row, after ?? null);
  return row;
}

/** Core 10 comes after core 9. */
const compare = (a: string, b: string) => a.localeCompare(b, 'en', { numeric: true });

function ofGauge({ max, unit, value }: Gauge): readonly [number, string] {
  const part = max > 0 ? value / max : 0;
  if (unit === 'part') return [part, `${Math.round(part * 100)} %`];
  return [part, `${bytes(value)} of ${bytes(max)}`];
}

function ofTraffic(key: string, { receivedPerS, sentPerS }: Traffic): readonly [number, string] {
  const total = receivedPerS + sentPerS;
  const peak = Math.max(total, peaks.get(key) ?? 1);
  peaks.set(key, peak);
  return [total / peak, `${bytes(receivedPerS)}/s in, ${bytes(sentPerS)}/s out`];
}

function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const at = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, count)) / 10)));
  return `${number.format(count / 2 ** (10 * at))} ${units[at]}`;
}

function find(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`index.html has no element with the id ${id}.`);
  return found;
}

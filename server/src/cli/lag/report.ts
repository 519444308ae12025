/** A run as a table with histograms, and as JSON. All times in microseconds. */
import type { Lag } from '../../verify/lag.ts';
import { visible } from '../output.ts';
import { grouped } from '../progress-bar.ts';
import { type Column, tableLines } from '../table.ts';
import { handshakeKey } from './handshake.ts';
import type { Measured, Observed } from './measure.ts';
import { type Plan, shownPath, shownPlace } from './plan.ts';

export interface LagFigures {
  readonly count: number;
  readonly p50?: number;
  readonly p90?: number;
  readonly p99?: number;
  readonly max?: number;
}

export interface Bar {
  /** Over this, up to `to`. */
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

const BAR_LENGTH = 40;

const COLUMNS: readonly Column[] = [
  { title: 'PATH' },
  { title: 'STYLE' },
  ...['SEEN', 'MISSED', 'DUPLICATED', 'REORDERED', 'P50 µs', 'P90 µs', 'P99 µs', 'MAX µs'].map((title) => ({
    title,
    isFigure: true,
  })),
  { title: 'WHERE' },
];

export function figuresOf(lag: Lag): LagFigures {
  const { count, max } = lag.summary();
  if (max === undefined) return { count };
  const micros = (share: number) => Math.round(lag.quantile(share) * 1000);
  return { count, p50: micros(0.5), p90: micros(0.9), p99: micros(0.99), max: Math.round(lag.max * 1000) };
}

/** From the first range that has some to the last, in steps of 1, 2, 5. */
export function histogramOf(lag: Lag): readonly Bar[] {
  const edges = Array.from({ length: 30 }, (_, at) => ([1, 2, 5][at % 3] as number) * 10 ** Math.floor(at / 3));
  const bars = edges.map((to, at) => {
    const from = at === 0 ? 0 : (edges[at - 1] as number);
    return { from, to, count: lag.countUpTo(to / 1000) - (from === 0 ? 0 : lag.countUpTo(from / 1000)) };
  });
  const isFull = ({ count }: Bar) => count > 0;
  return bars.slice(Math.max(0, bars.findIndex(isFull)), bars.findLastIndex(isFull) + 1);
}

function styleOf({ plan }: Observed): string {
  return plan.path === 'poll' ? '-' : plan.style;
}

function figureCells(lag: Lag): readonly string[] {
  const { max, p50, p90, p99 } = figuresOf(lag);
  return [p50, p90, p99, max].map((micros) => (micros === undefined ? '-' : grouped(micros)));
}

/** What the clocks allow to be said. */
function clockLine({ hasOneClock, observers, roundTrips, written }: Measured): string {
  if (!hasOneClock) {
    return 'Another host wrote: its clock is not this one’s, so no lag is shown; the writer shows the round trips of --handshake.';
  }
  if (observers.length > 0)
    return 'Writer and observers read one clock, this host’s: the times are one way, from the write to the value known.';
  const trips =
    roundTrips.size === 0
      ? 'none came back: run `latchkey lag --only observers` with the same --key and --handshake'
      : 'below';
  return `${grouped(written ?? 0)} written; the observers are elsewhere, so round trips alone are shown, from a write to its answer: ${trips}.`;
}

/** `columns` of the terminal; undefined where nothing is cut. */
export function reportLines(plan: Plan, measured: Measured, columns: number | undefined): readonly string[] {
  const { observers, roundTrips, written } = measured;
  const writer = plan.writer === undefined ? undefined : shownPlace(plan.writer);
  const answers = [...roundTrips].sort();
  const rows = observers.map((observed) => {
    const { duplicated, lag, received, reordered } = observed.tally;
    const counts = [received, observed.tally.missed(written), duplicated, reordered].map(grouped);
    return [shownPath(observed.plan), styleOf(observed), ...counts, ...figureCells(lag), placeOf(observed)];
  });
  for (const [key, lag] of answers) {
    const seen = grouped(lag.summary().count);
    rows.push([`round trip ${key}`, '-', seen, '-', '-', '-', ...figureCells(lag), writer ?? '']);
  }
  // Where all is in one place, the first line has named it.
  const isOnePlace = observers.every((observed) => placeOf(observed) === writer);
  const shown = isOnePlace ? COLUMNS.slice(0, -1) : COLUMNS;
  const first =
    written === undefined
      ? `values of ${visible(plan.key)}, written by another program`
      : `${grouped(written)} values of ${visible(plan.key)}, one each ${plan.intervalMs} ms, to ${writer}`;
  const table = rows.length === 0 ? [] : tableLines(shown, rows, { widthMax: columns, withTitles: true });
  const histograms = observers.flatMap((observed) => {
    const where = isOnePlace ? '' : ` ${placeOf(observed)}`;
    return histogramLines(`${shownPath(observed.plan)} ${styleOf(observed)}${where}`, observed.tally.lag);
  });
  const trips = answers.flatMap(([key, lag]) => histogramLines(`round trip ${visible(key)}`, lag));
  return [first, clockLine(measured), ...(table.length === 0 ? [] : ['', ...table]), ...histograms, ...trips];
}

function placeOf({ plan }: Observed): string {
  return shownPlace(plan.place);
}

function histogramLines(title: string, lag: Lag): readonly string[] {
  const bars = histogramOf(lag);
  if (bars.length === 0) return [];
  const most = Math.max(...bars.map(({ count }) => count));
  const width = grouped(bars.at(-1)?.to ?? 0).length;
  const lines = bars.map(({ count, from, to }) => {
    const bar = '#'.repeat(Math.ceil((BAR_LENGTH * count) / most)).padEnd(BAR_LENGTH);
    return `  ${grouped(from).padStart(width)} to ${grouped(to).padStart(width)} µs  ${bar}  ${grouped(count)}`;
  });
  return ['', title, ...lines];
}

export function reportJson(plan: Plan, measured: Measured): Readonly<Record<string, unknown>> {
  const { hasOneClock, isInterrupted, observers, roundTrips, written } = measured;
  const trip = (key: string) => {
    const lag = roundTrips.get(key);
    return lag === undefined ? {} : { roundTripMicros: figuresOf(lag), roundTripHistogram: histogramOf(lag) };
  };
  const own = observers.map((observed, at) => {
    const { duplicated, lag, received, reordered } = observed.tally;
    return {
      path: shownPath(observed.plan),
      url: shownPlace(observed.plan.place),
      ...(observed.plan.path === 'poll' ? {} : { style: observed.plan.style }),
      seen: received,
      missed: observed.tally.missed(written),
      duplicated,
      reordered,
      lagMicros: figuresOf(lag),
      histogram: histogramOf(lag),
      ...(plan.handshake === undefined ? {} : trip(handshakeKey(plan.handshake, at, observers.length))),
      troubles: observed.troubles,
    };
  });
  return {
    ...(plan.writer === undefined ? {} : { writer: shownPlace(plan.writer) }),
    key: plan.key,
    intervalMs: plan.intervalMs,
    ...(written === undefined ? {} : { written }),
    hasOneClock,
    isInterrupted,
    observers: own,
    ...(observers.length > 0
      ? {}
      : { roundTrips: [...roundTrips.keys()].sort().map((key) => ({ key, ...trip(key) })) }),
  };
}

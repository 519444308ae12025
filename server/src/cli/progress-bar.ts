import type { Clock } from '../shared/clock.ts';

const REDRAW_MS = 100;
const LENGTH = 24;
/** Where a terminal does not say how wide it is. */
const COLUMNS_DEFAULT = 80;
const CLEAR = '\r\x1b[K';

export interface Progress {
  /** From 0 to 1; undefined where nobody knows how much there is. */
  readonly share: number | undefined;
  /** So many of what `unit` names. */
  readonly count: number;
}

export interface ProgressBar {
  /** Draws, at most ten times a second. */
  show(progress: Progress): void;
  /** Takes the bar away, so that a line can be printed. */
  clear(): void;
}

export interface BarOptions {
  /** `rows`, or `bytes`, which are shown as sizes. */
  readonly unit: 'rows' | 'entries' | 'values' | 'bytes';
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly stream?: NodeJS.WriteStream;
}

/** How far a long command is, with its rate and the time that is left; on a terminal alone, on standard error. */
export function progressBar({ clock, stream = process.stderr, unit }: BarOptions): ProgressBar {
  if (stream.isTTY !== true) return { show: () => {}, clear: () => {} };
  const startMs = clock.monotonicMs();
  let first: Progress | undefined;
  let drawnMs = Number.NEGATIVE_INFINITY;
  let isDrawn = false;
  return {
    show: (progress) => {
      // What was there before this run began says nothing of its rate.
      first ??= progress;
      const nowMs = clock.monotonicMs();
      if (nowMs - drawnMs < REDRAW_MS) return;
      drawnMs = nowMs;
      isDrawn = true;
      stream.write(
        `${CLEAR}${barLine(progress, first, nowMs - startMs, unit).slice(0, (stream.columns || COLUMNS_DEFAULT) - 1)}`,
      );
    },
    clear: () => {
      if (isDrawn) stream.write(CLEAR);
      isDrawn = false;
    },
  };
}

/** `[######..................]  25 %  250,000 rows  112,345 rows/s  7 s left`. */
export function barLine(progress: Progress, first: Progress, elapsedMs: number, unit: BarOptions['unit']): string {
  const { count, share } = progress;
  const parts: string[] = [];
  if (share !== undefined) {
    const part = Math.min(1, Math.max(0, share));
    parts.push(
      `[${'#'.repeat(Math.round(LENGTH * part)).padEnd(LENGTH, '.')}] ${String(Math.floor(part * 100)).padStart(3)} %`,
    );
  }
  parts.push(amount(count, unit));
  const perSecond = elapsedMs > 0 ? ((count - first.count) * 1000) / elapsedMs : 0;
  if (perSecond > 0) parts.push(`${amount(Math.round(perSecond), unit)}/s`);
  const gained = (share ?? 0) - (first.share ?? 0);
  if (share !== undefined && gained > 0) parts.push(`${timeText(((1 - share) / gained) * (elapsedMs / 1000))} left`);
  return parts.join('  ');
}

export function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

function amount(count: number, unit: BarOptions['unit']): string {
  return unit === 'bytes' ? sizeText(count) : `${grouped(count)} ${unit}`;
}

export function sizeText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const power = Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(1)} ${['KiB', 'MiB', 'GiB', 'TiB'][power - 1]}`;
}

/** `7 s`, `3 min`, `2 h 5 min`. */
function timeText(seconds: number): string {
  if (seconds < 100) return `${Math.max(0, Math.ceil(seconds))} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

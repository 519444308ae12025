import { quote } from '@latchkey/client';

const DURATION_UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
const SIZE_UNITS = {
  b: 1,
  kb: 1000,
  mb: 1000 ** 2,
  gb: 1000 ** 3,
  tb: 1000 ** 4,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
} as const;

export const DURATION_TAKES = 'a duration with its unit, such as 500ms, 15s, 5m, 24h or 7d';
export const SIZE_TAKES = 'a number of bytes, or a size such as 64KB, 256KiB, 8MiB or 1GiB';

/** For editors: what a setting of that kind may look like. */
export const DURATION_PATTERN = '^(0|[0-9]+(\\.[0-9]+)? ?(ms|s|m|h|d|w))$';
export const SIZE_PATTERN = '^[0-9]+(\\.[0-9]+)? ?([bB]|[kKmMgGtT][iI]?[bB])?$';

const NUMBER_AND_UNIT = /^([0-9]{1,16}(?:\.[0-9]{1,9})?)[ ]?([a-z]*)$/i;

/**
 * Milliseconds of `500ms`, `15s`, `1.5h`, `7d`, `2w`. A bare number is refused, because half of its readers would take it for
 * seconds; only 0 means the same in every unit.
 * @throws RangeError whose message says what was wrong and what is taken
 */
export function parseDurationMs(value: string | number): number {
  const match = NUMBER_AND_UNIT.exec(String(value).trim());
  if (match === null) throw new RangeError(`takes ${DURATION_TAKES}, but got ${quote(value)}`);
  const amount = Number(match[1]);
  const unit = (match[2] as string).toLowerCase();
  if (unit === '' && amount === 0) return 0;
  if (unit === '')
    throw new RangeError(`takes a duration with its unit: write ${amount}s or ${amount}ms instead of ${amount}`);
  if (!Object.hasOwn(DURATION_UNITS, unit)) throw new RangeError(`takes ${DURATION_TAKES}, but got ${quote(value)}`);
  return whole(amount * DURATION_UNITS[unit as keyof typeof DURATION_UNITS], value);
}

/**
 * Bytes of `1048576`, `1MiB` (1024 × 1024), `1MB` (1000 × 1000). `1M` is refused, because it is read as either.
 * @throws RangeError whose message says what was wrong and what is taken
 */
export function parseBytes(value: string | number): number {
  const match = NUMBER_AND_UNIT.exec(String(value).trim());
  if (match === null) throw new RangeError(`takes ${SIZE_TAKES}, but got ${quote(value)}`);
  const unit = (match[2] as string).toLowerCase() || 'b';
  if (/^[kmgt]$/.test(unit)) {
    const letter = unit.toUpperCase();
    throw new RangeError(
      `takes ${SIZE_TAKES}: write ${match[1]}${letter}iB or ${match[1]}${letter}B instead of ${quote(value)}`,
    );
  }
  if (!Object.hasOwn(SIZE_UNITS, unit)) throw new RangeError(`takes ${SIZE_TAKES}, but got ${quote(value)}`);
  return whole(Number(match[1]) * SIZE_UNITS[unit as keyof typeof SIZE_UNITS], value);
}

/** The shortest text that `parseDurationMs` reads back as the same number. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0';
  // 24h reads better than 1d; whole days begin at two.
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const size = DURATION_UNITS[unit];
    if (ms % size === 0 && (unit !== 'd' || ms >= 2 * size)) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}

/** The shortest text that `parseBytes` reads back as the same number. */
export function formatBytes(bytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB'] as const) {
    const size = SIZE_UNITS[unit.toLowerCase() as keyof typeof SIZE_UNITS];
    if (bytes >= size && bytes % size === 0 && bytes > 1024) return `${bytes / size}${unit}`;
  }
  return String(bytes);
}

function whole(amount: number, value: string | number): number {
  const rounded = Math.round(amount);
  if (!Number.isSafeInteger(rounded)) throw new RangeError(`is too big: ${quote(value)}`);
  return rounded;
}

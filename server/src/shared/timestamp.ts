import type { Timestamp } from './change.ts';

/** The first and last moments that have a text: years 0001–9999, UTC, in microseconds since 1970. */
export const MICROS_MIN = -62_135_596_800_000_000;
export const MICROS_MAX = 253_402_300_800_000_000 - 32;

// Nobody sends more; the text is kept with the entry, so its length is bounded.
const TEXT_MAX = 64;
const DAYS_BEFORE_MONTH = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334] as const;
const DAYS_OF_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;
// Just inside 2⁵³, by a whole second, so that a sum with a fraction is exact too.
const EXACT_TO = 9_007_199_253_000_000;
const DASH = 45;
const COLON = 58;

/**
 * Reads an RFC 3339 moment and keeps its text. `T`, `t` or a space before the time; `Z`, `z`, `±hh:mm`, or no zone, which is
 * UTC. Python's `±hhmm`, PostgreSQL's `±hh` and Java's way to leave out seconds that are zero are read too. Undefined for
 * anything else, a date alone included: as a `valid` it could mean the start of that day or its end.
 *
 * Digits finer than a microsecond are cut off. Before 1684 and after 2255, where a number can't count single microseconds,
 * the fraction is cut to a multiple of 32. A leap second counts as the last microsecond of its minute.
 */
export function parseTimestamp(text: string): Timestamp | undefined {
  if (text.length < 16 || text.length > TEXT_MAX || !isSeparated(text)) return undefined;
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 2);
  const day = digits(text, 8, 2);
  const hour = digits(text, 11, 2);
  const minute = digits(text, 14, 2);
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > daysOfMonth(year, month)) return undefined;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59) return undefined;
  let second = 0;
  let fraction = 0;
  let at = 16;
  if (text.charCodeAt(at) === COLON) {
    second = digits(text, 17, 2);
    if (second < 0 || second > 60) return undefined;
    at = 19;
    if (text.charCodeAt(at) === 46 /* . */) {
      const end = digitsEnd(text, at + 1);
      if (end === at + 1) return undefined;
      fraction = microsOfFraction(text, at + 1, end);
      at = end;
    }
  }
  const offsetMinutes = zoneMinutes(text, at);
  if (offsetMinutes === undefined) return undefined;
  const minutes = (daysBefore(year, month, day) * 24 + hour) * 60 + minute - offsetMinutes;
  if (second === 60) {
    // A leap second ends a day of UTC; anywhere else 60 is a mistake.
    if ((minutes + 1) % 1440 !== 0) return undefined;
    second = 59;
    fraction = 999_999;
  }
  const wholeMicros = (minutes * 60 + second) * 1_000_000;
  const micros = wholeMicros + (Math.abs(wholeMicros) <= EXACT_TO ? fraction : fraction - (fraction % 32));
  return micros < MICROS_MIN || micros > MICROS_MAX ? undefined : { micros, text };
}

/**
 * RFC 3339 in UTC with `Z`; a fraction of three or six digits only where it is not zero. A moment outside the years 0001–9999
 * is shown as the nearest one inside.
 */
export function formatMicros(micros: number): string {
  const inside = micros < MICROS_MIN ? MICROS_MIN : micros > MICROS_MAX ? MICROS_MAX : micros;
  const seconds = Math.floor(inside / 1_000_000);
  const fraction = inside - seconds * 1_000_000;
  const days = Math.floor(seconds / 86_400);
  const rest = seconds - days * 86_400;
  const hour = (rest / 3600) | 0;
  const minute = ((rest / 60) | 0) % 60;
  const time = `${two(hour)}:${two(minute)}:${two(rest % 60)}`;
  return `${dateText(days)}T${time}${fractionText(fraction)}Z`;
}

function isSeparated(text: string): boolean {
  const between = text.charCodeAt(10);
  return (
    text.charCodeAt(4) === DASH &&
    text.charCodeAt(7) === DASH &&
    (between === 84 /* T */ || between === 116 /* t */ || between === 32) &&
    text.charCodeAt(13) === COLON
  );
}

/** The number that `count` digits from `at` on make; -1 where one of them is no digit. */
function digits(text: string, at: number, count: number): number {
  let value = 0;
  for (let index = at; index < at + count; index += 1) {
    const digit = text.charCodeAt(index) - 48;
    // Written so that the NaN past the end of the text fails too.
    if (!(digit >= 0 && digit <= 9)) return -1;
    value = value * 10 + digit;
  }
  return value;
}

function digitsEnd(text: string, from: number): number {
  let end = from;
  while (digits(text, end, 1) >= 0) end += 1;
  return end;
}

function microsOfFraction(text: string, from: number, end: number): number {
  let micros = digits(text, from, Math.min(end - from, 6));
  for (let count = end - from; count < 6; count += 1) micros *= 10;
  return micros;
}

/** Minutes east of UTC of the zone that fills the rest of the text. */
function zoneMinutes(text: string, at: number): number | undefined {
  const rest = text.length - at;
  if (rest === 0) return 0;
  const sign = text.charCodeAt(at);
  if (sign === 90 /* Z */ || sign === 122 /* z */) return rest === 1 ? 0 : undefined;
  if (sign !== 43 /* + */ && sign !== DASH) return undefined;
  if (rest !== 3 && rest !== 5 && !(rest === 6 && text.charCodeAt(at + 3) === COLON)) return undefined;
  const hours = digits(text, at + 1, 2);
  const minutes = rest === 3 ? 0 : digits(text, text.length - 2, 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return undefined;
  return (sign === DASH ? -1 : 1) * (hours * 60 + minutes);
}

function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

function daysOfMonth(year: number, month: number): number {
  return month === 2 && isLeapYear(year) ? 29 : (DAYS_OF_MONTH[month - 1] as number);
}

/** Days from 1970-01-01 to that day. */
function daysBefore(year: number, month: number, day: number): number {
  const past = year - 1;
  const leapDays = Math.floor(past / 4) - Math.floor(past / 100) + Math.floor(past / 400);
  const ofYear = (DAYS_BEFORE_MONTH[month - 1] as number) + (month > 2 && isLeapYear(year) ? 1 : 0) + day - 1;
  return past * 365 + leapDays + ofYear - 719_162;
}

/**
 * `days` since 1970 as a date. Counts in years that begin in March, so that the leap day is the last one, and in eras of 400
 * years, which all have the same length.
 */
function dateText(days: number): string {
  const sinceMarch = days + 719_468;
  const era = Math.floor(sinceMarch / 146_097);
  const dayOfEra = sinceMarch - era * 146_097;
  const leapFree =
    dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096);
  const yearOfEra = Math.floor(leapFree / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0);
  return `${year < 1000 ? String(year).padStart(4, '0') : year}-${two(month)}-${two(day)}`;
}

function fractionText(micros: number): string {
  if (micros === 0) return '';
  if (micros % 1000 !== 0) return `.${String(micros).padStart(6, '0')}`;
  return `.${String(micros / 1000).padStart(3, '0')}`;
}

function two(value: number): string {
  return value < 10 ? `0${value}` : `${value}`;
}

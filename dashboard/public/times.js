/** Moments and spans as people read them. */

const TIME = /** @type {const} */ ({ hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const clock = new Intl.DateTimeFormat(undefined, TIME);
const thisYear = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', ...TIME });
const anyYear = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });

/** @param {{ stale?: boolean, valid?: string }} entry @param {number} nowMs */
export function isStale({ stale, valid }, nowMs) {
  return stale === true || (valid !== undefined && Date.parse(valid) <= nowMs);
}

/** `4 s`, `12 min`, `3 h`, `5 d`: how long ago. */
export function ageText(updated, nowMs) {
  const ms = nowMs - Date.parse(updated);
  if (Number.isNaN(ms)) return '—';
  return ms < 1000 ? 'now' : spanText(ms);
}

/** Of a length of time, in one unit. @param {number} ms */
export function spanText(ms) {
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** In two units, for what counts before one's eyes: `3 min 12 s`. @param {number} ms */
export function countingText(ms) {
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

/** Short enough for a column; the exact moment belongs into the title. */
export function momentText(moment, nowMs) {
  const date = new Date(moment);
  if (Number.isNaN(date.getTime())) return moment;
  const now = new Date(nowMs);
  if (date.toDateString() === now.toDateString()) return clock.format(date);
  return (date.getFullYear() === now.getFullYear() ? thisYear : anyYear).format(date);
}

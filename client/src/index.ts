export {
  type CallOptions,
  type ClientOptions,
  type Decided,
  type EntryPage,
  LatchkeyClient,
  type ListOptions,
} from './client.ts';
export type { Command, Conditions, Outcome } from './command.ts';
export type { ControlEvent, ResetReason } from './control.ts';
export type { Change, Entry, RemoveReason } from './entry.ts';
export { ERRORS, type ErrorCode, type ErrorDetails, type ErrorRow, LatchkeyError } from './error.ts';
export { ERROR_ABOUT } from './error-about.ts';
export type { Filter } from './filter.ts';
export { type Component, formatPosition, type Position, parsePosition, positionOf } from './position.ts';
export { type SseEvent, SseParser } from './sse-parser.ts';
export { formatVersion, parseVersion, quote, type Version } from './version.ts';
export type { WatchChange, WatchControl, WatchEvent, WatchOptions } from './watch.ts';

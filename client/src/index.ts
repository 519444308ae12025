/* What this package promises, by hand; nothing else of it is for others. */
export {
  type CallOptions,
  type ClientOptions,
  type EntryPage,
  LatchkeyClient,
  type ListOptions,
} from './client.ts';
export type { Command, Conditions, Outcome, OutcomeOf, OutcomesOf, Refused, Written } from './command.ts';
export { type Connection, type ConnectionOptions, connect } from './connection.ts';
export type { ControlEvent, ResetReason } from './control.ts';
export type { Change, Entry, RemoveReason } from './entry.ts';
export { ERRORS, type ErrorCode, type ErrorDetails, type ErrorRow, LatchkeyError } from './error.ts';
export { ERROR_ABOUT } from './error-about.ts';
export type { Filter } from './filter.ts';
export { type Mirror, type MirrorOptions, mirror } from './mirror.ts';
export { type Component, formatPosition, type Position, parsePosition, positionOf } from './position.ts';
export { type SseEvent, SseParser } from './sse-parser.ts';
export type { TransportName } from './transport.ts';
export { formatVersion, parseVersion, quote, type Version } from './version.ts';
export type { WakeReason, WakeSource } from './wake.ts';
export { type Watch, type WatchHandler, type WatchIterator, type WatchOptions, watch } from './watch.ts';
export { isChange, type WatchChange, type WatchControl, type WatchEvent } from './watch-event.ts';
export type { WatchStatus } from './watch-status.ts';

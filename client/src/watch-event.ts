import type { ControlEvent } from './control.ts';
import type { Change } from './entry.ts';

/** A change as a watch hands it out; `position` is where a later watch goes on after it. */
export type WatchChange<Value = unknown> = Change<Value> & { readonly position: string };

/** A control event; `position` as of a change. `behind` is left out: it concerns the frames of a WebSocket alone. */
export type WatchControl = Exclude<ControlEvent, { readonly op: 'behind' }> & { readonly position: string };

export type WatchEvent<Value = unknown> = WatchChange<Value> | WatchControl;

/** Whether an event is a change, and so carries an entry. */
export function isChange<Value>(event: WatchEvent<Value>): event is WatchChange<Value> {
  return event.op === 'put' || event.op === 'remove' || event.op === 'stale';
}

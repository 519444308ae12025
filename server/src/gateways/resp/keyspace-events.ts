/**
 * Tells subscribers of `__keyevent@0__:…` and `__keyspace@0__:…` what became of keys, in the turn in which it became durable: stands
 * between the view and the channels. Events name keys, not values: whoever hears one reads the key, and may find what came later.
 *
 * Invariant: a change is told once, in the order of the log, and only where somebody could hear it.
 */
import type { Change, Payload } from '../../shared/change.ts';
import type { Channels } from '../../shared/channels.ts';
import { payloadEquals } from '../../shared/payload.ts';
import type { View } from '../../view/view.ts';

const BEGINNING = '__key';
const BY_EVENT = '__keyevent@0__:';
const BY_KEY = '__keyspace@0__:';
/** In the bytes that are published, made once. */
const NAMES = new Map(
  ['set', 'hset', 'expire', 'persist', 'del', 'expired', 'evicted'].map((event) => [event, Buffer.from(event)]),
);

/** Returns the way to stop. */
export function publishKeyspaceEvents(view: View, channels: Channels): () => void {
  return view.onDurable((changes) => {
    if (!channels.hears(BEGINNING)) return;
    for (const change of changes) for (const event of eventsOf(change, view)) publish(channels, event, change.key);
  });
}

function publish(channels: Channels, event: string, key: string): void {
  channels.publish(BY_KEY + key, NAMES.get(event) as Buffer);
  channels.publish(BY_EVENT + event, Buffer.from(key));
}

/** As a Redis calls what was done: a value that is set with a time to live is set and then given it. */
function eventsOf(change: Change, view: View): readonly string[] {
  if (change.op === 'stale') return [];
  if (change.op === 'remove') return [change.reason === 'deleted' ? 'del' : (change.reason ?? 'del')];
  const timed = change.expires === undefined ? 'persist' : 'expire';
  if (isTimeOnly(change, view)) return [timed];
  const written = change.as === 'hash' ? 'hset' : 'set';
  return change.expires === undefined || change.as === 'hash' ? [written] : [written, timed];
}

/** Whether nothing but its expiry differs from what was there: then it keeps the time of its value. */
function isTimeOnly(change: Change, view: View): boolean {
  if (change.previous === 0 || change.updated.micros >= change.decided) return false;
  const before = view.at(change.partition, change.previous);
  if (before === undefined || before.op === 'remove' || before.updated.micros !== change.updated.micros) return false;
  return before.expires !== change.expires && payloadEquals(before.value as Payload, change.value as Payload);
}

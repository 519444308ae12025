import type { ObserveCommand } from '../../commands/command.ts';
import { type Change, isLive } from '../../shared/change.ts';
import { refuseValueSize } from '../../shared/payload.ts';
import { payloadOfHash, payloadOfString } from '../../shared/redis/plain-value.ts';
import type { Reading } from './key-reader.ts';
import type { Noticed } from './noticed-keys.ts';

/** Why a key is followed no further, until it changes. */
export type KeyFault = 'type' | 'size' | 'bytes' | 'refused';

export interface Observed {
  readonly command?: ObserveCommand;
  readonly fault?: KeyFault;
  /** It is to be read again. */
  readonly isChanging?: boolean;
}

/** Clocks of two machines may run apart by so much of the time that passes, and an answer may wait for so long to be looked at. */
const DRIFT = 1e-3;
const SLACK_MICROS = 20_000;

/**
 * What is submitted of a key that was read. `entry` is the last change of its entry; what it says of the same value, such as a number
 * where a Redis has digits, is kept. A key that holds something else than strings and hashes has no value any more: whoever had one is told.
 */
export function observationOf(reading: Reading<Noticed>, entry: Change | undefined, valueBytesMax: number): Observed {
  const { found, key } = reading;
  const live = entry !== undefined && isLive(entry, reading.answeredMicros) ? entry : undefined;
  const gone = { command: goneOf(key, live, reading.answeredMicros) };
  if (found.kind === 'absent') return gone;
  if (found.kind === 'other') return live === undefined ? { fault: 'type' } : { ...gone, fault: 'type' };
  if (found.kind === 'too-big') return { fault: 'size' };
  if (found.kind === 'changing') return { isChanging: true };
  const value =
    found.kind === 'string' ? payloadOfString(found.data, live?.value) : payloadOfHash(found.fields, live?.value);
  if (value === undefined) return { fault: 'bytes' };
  if (refuseValueSize(value, valueBytesMax) !== undefined) return { fault: 'size' };
  const expires = found.ttlMs === undefined ? undefined : expiryOf(found.ttlMs, reading, live);
  return {
    command: {
      op: 'observe',
      key: key.entryKey,
      found: value,
      ...(found.kind === 'hash' ? { as: 'hash' } : {}),
      ...(expires === undefined ? {} : { expires }),
    },
  };
}

function goneOf({ entryKey, reason }: Noticed, live: Change | undefined, nowMicros: number): ObserveCommand {
  // Tracking and scans do not tell how a key went.
  const isDue = live?.expires !== undefined && live.expires <= nowMicros + slackOf(live, nowMicros);
  const known = reason ?? (isDue ? 'expired' : undefined);
  return { op: 'observe', key: entryKey, found: undefined, ...(known === undefined ? {} : { reason: known }) };
}

/**
 * A Redis tells how long a key still lives, and each answer takes its time: an expiry that lies within what that leaves open is the one
 * that is known.
 */
function expiryOf(ttlMs: number, { answeredMicros, askedMicros }: Reading<Noticed>, live: Change | undefined): number {
  const latest = answeredMicros + ttlMs * 1000;
  if (live?.expires === undefined) return latest;
  const slack = slackOf(live, answeredMicros);
  const isSame = live.expires >= askedMicros + ttlMs * 1000 - slack && live.expires <= latest + slack;
  return isSame ? live.expires : latest;
}

function slackOf({ decided }: Change, nowMicros: number): number {
  return SLACK_MICROS + Math.max(0, nowMicros - decided) * DRIFT;
}

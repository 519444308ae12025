import { batchPositions } from './batch-positions.ts';
import type { Change } from './entry.ts';
import { type ErrorCode, LatchkeyError } from './error.ts';
import { isErrorCode, type Reviver } from './exchange.ts';
import type { WatchEvent } from './watch-event.ts';

/** A frame as the server sends it (docs/live.md): changes of a group (`ref`) or of one watch (`id`), or an `op`. */
export interface ServerFrame {
  readonly op?: string;
  readonly id?: number;
  readonly ref?: string;
  readonly changes?: readonly Change[];
  readonly position?: string;
}

/** @throws LatchkeyError `invalid-json` */
export function parseFrame(data: unknown, reviver?: Reviver): ServerFrame {
  try {
    const frame: unknown = JSON.parse(data as string, reviver as never);
    if (typeof frame === 'object' && frame !== null) return frame as ServerFrame;
  } catch {
    // What it is instead of JSON helps nobody; it may be long.
  }
  throw new LatchkeyError('invalid-json', 'The server sent a frame that is not a JSON object.');
}

/** The events of a frame for a watch that stands at `before`. @throws LatchkeyError `position-invalid` */
export function frameEvents(frame: ServerFrame, before: string): readonly WatchEvent[] {
  // `conflated` and `bye` have none: whoever is cut off behind `conflated` goes on in front of what it announces.
  const { changes, id, position = before, ref, ...data } = frame;
  if (changes === undefined) return [{ ...data, position } as WatchEvent];
  const positions = batchPositions(before, changes, position);
  return changes.map((change, index) => ({ ...change, position: positions[index] as string }));
}

/** What an `error` frame says. */
export function frameError(frame: ServerFrame): LatchkeyError {
  const { code, field, limit, message, retryAfter } = frame as ServerFrame & Readonly<Record<string, unknown>>;
  return new LatchkeyError(isErrorCode(code) ? code : 'invalid-request', String(message), {
    isAnswer: true,
    ...(typeof field === 'string' ? { field } : {}),
    ...(typeof limit === 'number' ? { limit } : {}),
    ...(typeof retryAfter === 'number' ? { retryAfter } : {}),
  });
}

/** What the end of a connection means. Codes from 4500 to 4999 say that coming back is of no use. */
export function closeError(origin: string, close: { readonly code: number; readonly reason: string }): LatchkeyError {
  const isFinal = close.code >= 4500 && close.code <= 4999;
  const fallback: ErrorCode = isFinal ? 'invalid-request' : 'unavailable';
  const code = isErrorCode(close.reason) ? close.reason : fallback;
  const message = `${origin} closed the connection with ${close.code}${close.reason === '' ? '' : ` (${close.reason})`}.`;
  return new LatchkeyError(code, message, isFinal ? { isAnswer: true } : {});
}

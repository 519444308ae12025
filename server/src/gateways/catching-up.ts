import type { WatchRequest } from '../feed/feed.ts';
import type { Log } from '../log/log.ts';

/** A watch that comes from another node waits so long for this one to get there. */
const CATCH_UP_MS = 5000;

/**
 * Resolves when this node has reached where a watch begins, or never will; undefined: it has.
 * @throws LatchkeyError `position-ahead`, `not-ready`, `closing`
 */
export function catchingUp(log: Log, from: WatchRequest['from'], gone: AbortSignal): Promise<void> | undefined {
  return typeof from === 'object' ? log.catchUpTo?.(from, CATCH_UP_MS, gone) : undefined;
}

/** How the server with failpoints is started, and the settings of each world. */
import { fileURLToPath } from 'node:url';
import type { World } from './plan.ts';
import type { BugName } from './planted-bugs.ts';

const ENTRY = fileURLToPath(new URL('server-with-failpoints.ts', import.meta.url));
export const JOURNAL = 'journal.ndjson';

/** The server with failpoints, and with a bug planted in it. */
export function serverCommand(planted?: BugName, oneIn?: number): readonly string[] {
  const bug = planted === undefined ? [] : ['--planted', planted];
  const share = oneIn === undefined ? [] : ['--one-in', String(oneIn)];
  return [process.execPath, '--conditions=source', ENTRY, JOURNAL, ...bug, ...share];
}

/** Clocks jump by days, and what was applied once stays so. */
export const ALWAYS = { LATCHKEY_FEED_PROGRESS_INTERVAL: '500ms', LATCHKEY_IDEMPOTENCY_AGE_MAX: '365d' } as const;
export const WINDOWS: Readonly<Record<World, Readonly<Record<string, string>>>> = {
  complete: { LATCHKEY_HISTORY_CHANGES_MAX: '1000000', LATCHKEY_FEED_CATCH_UP_CHANGES_MAX: '1000000' },
  narrow: {
    LATCHKEY_HISTORY_CHANGES_MAX: '300',
    LATCHKEY_FEED_CATCH_UP_CHANGES_MAX: '150',
    LATCHKEY_TOMBSTONES_AGE_MAX: '2s',
  },
};

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import { LocalLog } from '../log/local.ts';
import { openAccess } from '../shared/access.ts';
import type { Change } from '../shared/change.ts';
import { systemClock } from '../shared/clock.ts';
import { LmdbView } from '../view/lmdb.ts';

export interface WallClockLog {
  readonly log: LocalLog;
  /** Every change, as `KEY=VALUE` of a put and `KEY REASON` of a remove. */
  readonly changes: string[];
  readonly faults: unknown[];
  /** Stops it and opens it again on the same data. */
  reopen(): Promise<LocalLog>;
  close(): Promise<void>;
}

/** A log `local` on the wall clock, as expiries and ids of a Redis are. */
export async function makeWallClockLog(): Promise<WallClockLog> {
  const directory = await mkdtemp(join(tmpdir(), 'latchkey-source-'));
  const changes: string[] = [];
  const faults: unknown[] = [];
  const parts = {
    settings: DEFAULT_SETTINGS,
    clock: systemClock,
    reportFault: (_stage: string, error: unknown) => void faults.push(error),
  };
  const open = async () => {
    const view = await LmdbView.open({ ...parts, directory });
    const opened = await LocalLog.open({ ...parts, view, access: openAccess });
    opened.view.onDurable((durable) => changes.push(...durable.map(lineOf)));
    return opened;
  };
  let log = await open();
  return {
    get log() {
      return log;
    },
    changes,
    faults,
    async reopen() {
      await log.close();
      log = await open();
      return log;
    },
    async close() {
      await log.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function lineOf({ key, op, reason, value }: Change): string {
  return op === 'remove' ? `${key} ${reason}` : `${key}=${value?.data.toString()}`;
}

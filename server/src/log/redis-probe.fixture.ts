import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LogProbe } from '../../../test/conformance/log.suite.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import type { RedisProcess } from '../../../test/support/redis.ts';
import { DEFAULT_SETTINGS, type Settings } from '../config/settings.ts';
import { openAccess } from '../shared/access.ts';
import { silentLogger } from '../shared/logger.ts';
import { LmdbView } from '../view/lmdb.ts';
import { openRedisLog } from './redis/open.ts';
import type { RedisLog } from './redis.ts';

export interface RedisProbe extends LogProbe {
  open(settings?: (defaults: Settings) => Settings): Promise<RedisLog>;
  reopen(): Promise<RedisLog>;
  readonly faults: unknown[];
}

/** The log `redis` at a Redis that the test has, with a clock that the test sets: the log's time goes on only by it. */
export async function makeRedisProbe(redis: RedisProcess): Promise<RedisProbe> {
  await redis.command('FLUSHALL');
  const directory = await mkdtemp(join(tmpdir(), 'latchkey-log-'));
  const clock = new ManualClock();
  clock.micros = Date.now() * 1000;
  const startMs = clock.monotonicMs();
  const realMs = performance.now();
  const faults: unknown[] = [];
  let settings: Settings = DEFAULT_SETTINGS;
  let log: RedisLog | undefined;
  const open = async () => {
    const reportFault = (_stage: string, error: unknown) => faults.push(error);
    log = await openRedisLog({
      ...{ settings: { ...settings, data: directory }, clock, reportFault, access: openAccess, logger: silentLogger },
      openView: (options) => LmdbView.open(options),
      // The server's own time goes on beside the test's; what is seen of it is the test's alone.
      clockShiftMicros: () => Math.round((clock.monotonicMs() - startMs - (performance.now() - realMs)) * 1000),
    });
    return log;
  };
  return {
    clock,
    faults,
    open: (change) => {
      const made = change === undefined ? DEFAULT_SETTINGS : change(DEFAULT_SETTINGS);
      settings = { ...made, log: { ...made.log, url: redis.url } };
      return open();
    },
    reopen: async () => {
      await log?.close();
      await redis.restart({ withData: true });
      return open();
    },
    settleDue: async () => log?.settleDue(),
    close: async () => {
      await log?.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RedisOptions, type RedisProcess, startRedis } from '../../../test/support/redis.ts';
import { Waiting } from '../../../test/support/waiting.ts';
import type { RedisKeyspaceSettings } from '../config/flow-settings.ts';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import { LocalLog } from '../log/local.ts';
import { openAccess } from '../shared/access.ts';
import { type Change, isLive } from '../shared/change.ts';
import { systemClock } from '../shared/clock.ts';
import { type Logger, silentLogger } from '../shared/logger.ts';
import { LmdbView } from '../view/lmdb.ts';
import { RedisKeyspace, type RedisKeyspaceParts } from './redis-keyspace.ts';
import type { Source } from './source.ts';

const WAIT_MS = 20_000;
const LOOK_MS = 5;

export interface KeyspaceProbe {
  readonly redis: RedisProcess;
  readonly log: LocalLog;
  /** Every change of the log, as `KEY=VALUE` of a put and `KEY REASON` of a remove. */
  readonly changes: readonly string[];
  /** What the source told. */
  readonly told: readonly string[];
  makeSource(settings?: Partial<RedisKeyspaceSettings>, parts?: Partial<RedisKeyspaceParts>): Source;
  /** Resolves once `holds`, which is asked again every few milliseconds. */
  until(what: string, holds: () => boolean): Promise<void>;
  /** What a reader is served: JSON, text or bytes as text. */
  value(key: string): string | undefined;
  close(): Promise<void>;
}

/** A Redis of its own, and a log `local` on the wall clock, as the expiries of a Redis are. */
export async function makeKeyspaceProbe(options: RedisOptions = {}): Promise<KeyspaceProbe> {
  const ends: (() => unknown)[] = [];
  const redis = await startRedis({ after: (done) => void ends.unshift(done) }, options);
  const directory = await mkdtemp(join(tmpdir(), 'latchkey-keyspace-'));
  ends.unshift(() => rm(directory, { recursive: true, force: true }));
  const reportFault = (stage: string, error: unknown) => told.push(`${stage}: ${String(error)}`);
  const parts = { settings: DEFAULT_SETTINGS, clock: systemClock, reportFault };
  const view = await LmdbView.open({ ...parts, directory });
  const log = await LocalLog.open({ ...parts, view, access: openAccess });
  ends.unshift(() => log.close());
  const changes: string[] = [];
  const told: string[] = [];
  log.view.onDurable((durable) => changes.push(...durable.map(lineOf)));
  const sources: Source[] = [];
  const logger: Logger = { ...silentLogger, info: tell, warn: tell, error: tell };
  function tell(_fields: unknown, message: string): void {
    told.push(message);
  }
  const live = (key: string) => {
    const entry = log.view.get(key);
    return entry !== undefined && isLive(entry, log.view.nowMicros()) ? entry : undefined;
  };
  return {
    ...{ redis, log, changes, told },
    value: (key) => live(key)?.value?.data.toString(),
    makeSource(settings = {}, more = {}) {
      const place = { url: redis.url, sentinels: [], sentinelName: 'mymaster', caFile: '' };
      const source = new RedisKeyspace({
        settings: {
          ...{ ...place, name: 'there', kind: 'redis-keyspace', patterns: ['*'], keyPrefix: '' },
          ...{ mode: 'auto', setNotifications: false, ...settings },
        },
        ...{ log, clock: systemClock, logger, reportFault, random: Math.random, isOfLog: false },
        limits: DEFAULT_SETTINGS.limits,
        ...more,
      });
      sources.push(source);
      source.start();
      return source;
    },
    async until(what, holds) {
      const seen = () => JSON.stringify([changes.slice(-10), told.slice(-5), sources.map((source) => source.state())]);
      const waiting = new Waiting(WAIT_MS, seen, () => undefined);
      const timer = setInterval(() => waiting.wake(), LOOK_MS);
      await waiting.until(what, holds).finally(() => clearInterval(timer));
    },
    async close() {
      redis.resume();
      await Promise.all(sources.map((source) => source.close()));
      for (const end of ends) await end();
    },
  };
}

function lineOf({ key, op, reason, value }: Change): string {
  return op === 'remove' ? `${key} ${reason}` : `${key}=${value?.data.toString()}`;
}

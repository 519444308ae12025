import { PAIRS, type SourceProbe } from '../../../test/conformance/source.suite.ts';
import { type RedisOptions, type RedisProcess, startRedis } from '../../../test/support/redis.ts';
import { Waiting } from '../../../test/support/waiting.ts';
import type { RedisKeyspaceSettings } from '../config/flow-settings.ts';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import type { Log } from '../log/log.ts';
import { isLive } from '../shared/change.ts';
import { systemClock } from '../shared/clock.ts';
import { type Logger, silentLogger } from '../shared/logger.ts';
import { RedisKeyspace, type RedisKeyspaceParts } from './redis-keyspace.ts';
import type { Source } from './source.ts';
import { makeWallClockLog, type WallClockLog } from './wall-clock-log.fixture.ts';

const WAIT_MS = 60_000;
const LOOK_MS = 5;

export interface KeyspaceProbe extends Pick<WallClockLog, 'log' | 'changes'> {
  readonly redis: RedisProcess;
  /** What the sources told. */
  readonly told: readonly string[];
  /** Started. */
  makeSource(settings?: Partial<RedisKeyspaceSettings>, parts?: Partial<RedisKeyspaceParts>): Source;
  /** Resolves once `holds`, which is asked again every few milliseconds. */
  until(what: string, holds: () => boolean): Promise<void>;
  /** What a reader is served: JSON, text or bytes as text. */
  value(key: string): string | undefined;
  close(): Promise<void>;
}

/** A Redis of its own, a log, and sources that follow the one into the other. */
export async function makeKeyspaceProbe(options: RedisOptions = {}): Promise<KeyspaceProbe> {
  const ends: (() => unknown)[] = [];
  const redis = await startRedis({ after: (done) => void ends.unshift(done) }, options);
  const wall = await makeWallClockLog();
  ends.unshift(() => wall.close());
  const { changes, log } = wall;
  const told: string[] = [];
  const sources: Source[] = [];
  return {
    ...{ redis, log, changes, told },
    value(key) {
      const entry = log.view.get(key);
      return entry !== undefined && isLive(entry, log.view.nowMicros()) ? entry.value?.data.toString() : undefined;
    },
    makeSource(settings = {}, parts = {}) {
      const source = sourceOf(redis, log, settings, { logger: loggerTo(told), ...parts });
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
      if (wall.faults.length > 0) throw new AggregateError(wall.faults, 'faults were reported');
    },
  };
}

/** For the promises of every source: a message is a SET. */
export async function makeKeyspaceSuiteProbe(): Promise<SourceProbe> {
  const ends: (() => unknown)[] = [];
  const redis = await startRedis({ after: (done) => void ends.push(done) }, { appendonly: true });
  return {
    isConflating: true,
    makeSource: (log, leaseTtlMs) => sourceOf(redis, log, {}, leaseTtlMs === undefined ? {} : { leaseTtlMs }),
    async send(...messages) {
      for (const message of messages) {
        const [command] = PAIRS.decode({ body: Buffer.from(message) });
        if (command !== undefined && 'op' in command && command.op === 'put')
          await redis.command('SET', command.key, String(command.value.data));
      }
    },
    async cut() {
      await redis.kill9();
    },
    async restore() {
      await redis.restart({ withData: true });
    },
    async close() {
      for (const end of ends) await end();
    },
  };
}

function sourceOf(
  redis: RedisProcess,
  log: Log,
  settings: Partial<RedisKeyspaceSettings>,
  parts: Partial<RedisKeyspaceParts>,
): Source {
  const place = { url: redis.url, sentinels: [], sentinelName: 'mymaster', caFile: '' };
  const own = { name: 'there', kind: 'redis-keyspace', patterns: ['*'], keyPrefix: '' } as const;
  return new RedisKeyspace({
    settings: { ...place, ...own, mode: 'auto', setNotifications: false, ...settings },
    ...{ log, clock: systemClock, logger: silentLogger, random: Math.random, isOfLog: false },
    reportFault: () => undefined,
    limits: DEFAULT_SETTINGS.limits,
    ...parts,
  });
}

function loggerTo(told: string[]): Logger {
  const tell = (_fields: unknown, message: string) => void told.push(message);
  return { ...silentLogger, info: tell, warn: tell, error: tell };
}

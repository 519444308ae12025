import type { Settings } from '../../config/settings.ts';
import { describePlace } from '../../shared/redis/error.ts';
import type { LogTime, WritableView } from '../../view/view.ts';
import { RedisLog, type RedisLogOptions } from '../redis.ts';
import type { RedisStore } from './redis-store.ts';
import { checkServer, durabilityOf } from './server-checks.ts';
import { ServerTime } from './server-time.ts';
import { openRedisStore } from './store.ts';

/** What the log asks of the view that it writes. */
interface ViewOptions extends Pick<RedisLogOptions, 'clock' | 'reportFault'> {
  readonly directory: string;
  readonly settings: Settings;
  readonly time: LogTime;
  readonly owner: string;
  readonly epochs: 'log';
  readonly flushes: 'step' | 'close';
  readonly onEmptied: (why: string) => void;
}

export interface OpenOptions extends Omit<RedisLogOptions, 'view' | 'store' | 'time' | 'settings'> {
  readonly settings: Settings;
  readonly openView: (options: ViewOptions) => Promise<WritableView>;
  /** Stands between the log and its Redis: where tests make it fail. */
  readonly wrapStore?: (store: RedisStore) => RedisStore;
  /** For tests, as of the store. */
  readonly clockShiftMicros?: () => number;
}

/** The log that the settings name, on a view of its own. @throws LatchkeyError what opening the view throws, and `config-invalid` */
export async function openRedisLog(options: OpenOptions): Promise<RedisLog> {
  const { clock, clockShiftMicros, logger, openView, reportFault, settings, wrapStore } = options;
  const time = new ServerTime(clock);
  const owner = `redis ${settings.log.name}`;
  const view = await openView({
    ...{ directory: settings.data, settings, clock, time, owner, epochs: 'log', reportFault },
    // Where a Redis that lost everything is filled again from a view, the view is what is durable.
    flushes: settings.log.rebuild ? 'step' : 'close',
    onEmptied: (why) =>
      logger.warn(
        { data: settings.data },
        `log redis: the view in the data directory can't be trusted: ${why}. It was emptied, and is filled anew from the Redis.`,
      ),
  });
  const shift = clockShiftMicros === undefined ? {} : { clockShiftMicros };
  const made = openRedisStore({ place: settings.log, name: settings.log.name, ...shift });
  return RedisLog.open({ ...options, view, store: wrapStore?.(made) ?? made, time });
}

const TRY_MS = 5000;

/** Connects as the log does, and writes nothing that stays. A line that says what the Redis keeps. @throws LatchkeyError why it can't be the log's */
export async function tryRedisLog(settings: Settings['log']): Promise<string> {
  const store = openRedisStore({ place: settings, name: settings.name });
  try {
    await store.up(TRY_MS);
    const facts = await store.facts();
    checkServer(facts, settings);
    return `log: ${describePlace(settings)} answers. ${durabilityOf(facts, settings.wait).means}`;
  } finally {
    await store.close();
  }
}

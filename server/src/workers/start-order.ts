import type { Settings } from '../config/settings.ts';
import type { Log } from '../log/log.ts';
import type { OwnerNews } from './frames.ts';

/** What a worker starts with, beside the socket that it listens on. */
export interface StartOrder extends OwnerNews {
  readonly number: number;
  readonly settings: Settings;
  readonly kind: Log['kind'];
}

/** Limits that are of the whole server are divided: each worker keeps its share by itself. */
export function shareOf(settings: Settings): Settings {
  const share = (whole: number) => Math.ceil(whole / Math.max(1, settings.workers));
  return {
    ...settings,
    limits: { ...settings.limits, connectionsMax: share(settings.limits.connectionsMax) },
    feed: { ...settings.feed, pinnedBytesMax: share(settings.feed.pinnedBytesMax) },
  };
}

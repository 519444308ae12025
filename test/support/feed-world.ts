/** A feed over a view in memory, with the knobs that tests turn. */
import { setImmediate as turn } from 'node:timers/promises';
import { DEFAULT_SETTINGS, type FeedSettings, type Limits } from '../../server/src/config/settings.ts';
import type { Bounds } from '../../server/src/feed/bounds.ts';
import { type CheckedFeed, makeFeed } from '../../server/src/feed/live-feed.ts';
import { type Access, openAccess } from '../../server/src/shared/access.ts';
import { silentLogger } from '../../server/src/shared/logger.ts';
import { MemoryView } from './memory-view.ts';
import { Watcher, type WatcherOptions } from './watcher.ts';

export interface FeedWorldOptions {
  readonly view?: MemoryView;
  readonly feed?: Partial<FeedSettings>;
  readonly limits?: Partial<Limits>;
  readonly bounds?: Partial<Bounds>;
  readonly access?: Access;
}

export class FeedWorld {
  readonly view: MemoryView;
  readonly feed: CheckedFeed;
  readonly faults: unknown[] = [];
  /** Monotonic time. */
  nowMs = 0;

  constructor(options: FeedWorldOptions = {}) {
    this.view = options.view ?? new MemoryView();
    this.feed = makeFeed({
      view: this.view,
      access: options.access ?? openAccess,
      settings: {
        feed: { ...DEFAULT_SETTINGS.feed, ...options.feed },
        limits: { ...DEFAULT_SETTINGS.limits, ...options.limits },
      },
      clock: { nowMicros: () => this.view.now, monotonicMs: () => this.nowMs },
      node: 'n1',
      logger: silentLogger,
      reportFault: (_, error) => this.faults.push(error),
      random: () => 0.5,
      ...(options.bounds === undefined ? {} : { bounds: options.bounds }),
    });
  }

  watcher(options: WatcherOptions = {}): Watcher {
    return new Watcher(options).connect(this.feed);
  }

  /** Lets everything run that does not wait for a socket or a timer. */
  async idle(): Promise<void> {
    for (let count = 0; count < 20; count += 1) await turn();
    this.feed.checkInvariants();
  }

  /** As `idle`, and the watchers read whatever comes. */
  async settle(...watchers: readonly Watcher[]): Promise<void> {
    for (let count = 0; count < 200; count += 1) {
      for (const watcher of watchers) watcher.read();
      await turn();
    }
    this.feed.checkInvariants();
  }
}

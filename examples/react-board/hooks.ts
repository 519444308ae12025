import type { Entry, Filter, Mirror, WatchStatus } from '@latchkey/client';
import { createContext, useCallback, useContext, useSyncExternalStore } from 'react';
import type { Mirrors } from './mirrors.ts';

/** Set by the page around everything that uses these hooks. */
export const MirrorsContext = createContext<Mirrors | undefined>(undefined);

const NO_ENTRIES: readonly Entry[] = [];
const IDLE: WatchStatus = { kind: 'idle' };

/**
 * All entries that match, by their keys, live; the same array until one of them changes.
 * @example
 * const rooms = useEntries<Room>({ prefixes: ['room.'] });
 */
export function useEntries<Value>(filter: Filter): readonly Entry<Value>[] {
  return useMirror(filter, undefined, (mirror) => mirror?.entries() ?? NO_ENTRIES) as readonly Entry<Value>[];
}

/**
 * One entry, live; undefined where there is none. Rendered again only when this one changes. Components that show many keys name
 * the filter that holds them all, and share its one watch.
 * @example
 * const lamp = useEntry<boolean>('lamp');
 */
export function useEntry<Value>(key: string, filter: Filter = { keys: [key] }): Entry<Value> | undefined {
  return useMirror(filter, key, (mirror) => mirror?.get(key)) as Entry<Value> | undefined;
}

/** Where the watch of a filter stands. */
export function useStatus(filter: Filter): WatchStatus {
  return useMirror(filter, undefined, (mirror) => mirror?.status ?? IDLE);
}

/** What `read` takes out of the mirror of the filter; it must give the same object until that changes, as mirrors do. */
function useMirror<Shown>(filter: Filter, key: string | undefined, read: (mirror: Mirror | undefined) => Shown): Shown {
  const mirrors = useContext(MirrorsContext);
  if (mirrors === undefined) throw new Error('There is no MirrorsContext around this component.');
  // By its text: a filter written in the component is another object at each rendering.
  const name = JSON.stringify(filter);
  const subscribe = useCallback(
    (listener: () => void) => {
      const [mirror, release] = mirrors.hold(JSON.parse(name) as Filter);
      const unsubscribe = mirror.subscribe(listener, key);
      return () => {
        unsubscribe();
        release();
      };
    },
    [mirrors, name, key],
  );
  return useSyncExternalStore(subscribe, () => read(mirrors.find(filter)));
}

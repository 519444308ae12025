import { LatchkeyError, type Position } from '@latchkey/client';
import { EpochTable } from '../../shared/epochs.ts';
import type { View } from '../../view/view.ts';
import type { RedisStore } from './redis-store.ts';
import { waited } from './wait.ts';

const LOOK_MS = 20;

const endOf = ({ components }: Position): number => {
  const [component] = components;
  return component?.base ?? component?.offset ?? 0;
};

const hasReached = (view: View, position: Position) =>
  view.epochs.holdsPosition(position) && endOf(position) <= view.head(0);

/**
 * For a position that another node may have given out: waits for this one to reach it, where the log says that it will. Undefined: there
 * is nothing to wait for.
 */
export function catchingUp(
  { store, view }: { readonly store: RedisStore; readonly view: View },
  position: Position,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<void> | undefined {
  return hasReached(view, position) ? undefined : catchUp(store, view, position, timeoutMs, signal);
}

async function catchUp(
  store: RedisStore,
  view: View,
  position: Position,
  timeoutMs: number,
  signal = new AbortController().signal,
): Promise<void> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const epochs = (await store.epochs()).map(({ first, id }) => ({ id, first: [first] }));
  const head = await store.head();
  if (epochs.length === 0 || endOf(position) > head.offset || !new EpochTable(epochs).holdsPosition(position)) return;
  await view.reach({ ...position, components: [{ offset: endOf(position) }] }, timeoutMs, signal);
  // A view of what the log was before a failover may be beyond that offset: it begins anew.
  while (!hasReached(view, position)) {
    if (deadline.aborted)
      throw new LatchkeyError('position-ahead', `This node did not reach the position within ${timeoutMs} ms.`, {
        retryAfter: 1,
      });
    if (!(await waited(LOOK_MS, signal))) throw new LatchkeyError('closing', 'The wait was given up.');
  }
}

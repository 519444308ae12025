/** `online`: a network came back. `visible`: a page is looked at again; while it was not, its timers may have stood still. */
export type WakeReason = 'online' | 'visible';

/** Calls the listener when a connection that failed may work again, until the function it gives is called. */
export type WakeSource = (listener: (reason: WakeReason) => void) => () => void;

interface Events {
  addEventListener(name: string, listener: () => void): void;
  removeEventListener(name: string, listener: () => void): void;
}

/** What a page or worker has of it; other runtimes have none. */
interface Surroundings extends Partial<Events> {
  readonly document?: Events & { readonly visibilityState: string };
}

/** What a browser's page or worker tells; elsewhere nothing ever does. */
export const pageWake: WakeSource = (listener) => {
  const world = globalThis as unknown as Surroundings;
  const page = world.document;
  const onOnline = () => listener('online');
  const onVisible = () => {
    if (page?.visibilityState === 'visible') listener('visible');
  };
  world.addEventListener?.('online', onOnline);
  page?.addEventListener('visibilitychange', onVisible);
  return () => {
    world.removeEventListener?.('online', onOnline);
    page?.removeEventListener('visibilitychange', onVisible);
  };
};

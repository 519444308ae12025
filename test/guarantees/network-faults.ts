/**
 * What a proxy can do to the connections that go through it, one way to the clients or the other to a Redis. Each resolves when it is
 * over, the network is fair again, and it did something: with how much that was.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultProxy, Weather } from '../support/fault-proxy.ts';
import type { Random } from './random.ts';
import { until, within } from './waits.ts';

export async function whileBad(proxy: FaultProxy, happens: () => Promise<void>): Promise<number> {
  const before = proxy.bites;
  await happens();
  return proxy.bites - before;
}

export async function untilConnected(proxy: FaultProxy): Promise<void> {
  await until(() => proxy.connections > 0, 'connection to break');
}

async function cutAll(proxy: FaultProxy, _: Random): Promise<number> {
  await untilConnected(proxy);
  return whileBad(proxy, async () => proxy.cut());
}

function cutWithin(proxy: FaultProxy, random: Random): Promise<number> {
  return whileBad(proxy, async () => {
    const bitten = proxy.nextBite();
    proxy.cutWithin(() => random.between(0, 400));
    await within(bitten, 'piece to cut');
    await sleep(random.between(20, 200));
    proxy.heal();
  });
}

function badWeather(proxy: FaultProxy, weather: Weather, random: Random): Promise<number> {
  return whileBad(proxy, async () => {
    const bitten = proxy.nextBite();
    proxy.set(weather);
    await within(bitten, 'piece to hold back');
    await sleep(random.between(100, 900));
    proxy.heal();
  });
}

/** What was asked arrives, what is answered never does. */
function loseAnswers(proxy: FaultProxy, random: Random): Promise<number> {
  return whileBad(proxy, async () => {
    const bitten = proxy.nextBite();
    proxy.set({ kind: 'stalled', only: 'down' });
    await within(bitten, 'answer to hold back');
    await sleep(random.between(0, 200));
    proxy.cut();
    proxy.heal();
  });
}

export const NETWORK_FAULTS = {
  cut: cutAll,
  'cut mid-frame': cutWithin,
  stall: (proxy, random) => badWeather(proxy, { kind: 'stalled' }, random),
  slow: (proxy, random) => badWeather(proxy, { kind: 'slow', bytesPerSecond: random.between(2000, 200_000) }, random),
  delay: (proxy, random) => badWeather(proxy, { kind: 'delayed', delayMs: random.between(5, 100) }, random),
  'lose answers': loseAnswers,
} as const satisfies Record<string, (proxy: FaultProxy, random: Random) => Promise<number>>;

export type NetworkFault = keyof typeof NETWORK_FAULTS;

import { createClient } from '@redis/client';
import { requireRedis, startRedis } from '../test/support/redis.ts';
import { type Effort, type Figure, percentile } from './figures.ts';
import { KEYS, paced } from './load.ts';
import { Readers } from './readers.ts';
import { latchkeyWith, withServer } from './servers.ts';
import type { Transport } from './watch-request.ts';

const MESSAGES_PER_SECOND = 1000;
const CHANNEL = 'bench';

interface Place {
  readonly transport: Transport;
  readonly port: number;
  readonly path: string;
}

interface Latency {
  readonly p50: number;
  readonly p99: number;
}

/** The messages are commands as they are, and look to a subscriber as their changes look to a watcher. */
async function measure(url: string, place: Place, { seconds }: Effort): Promise<Latency> {
  const publisher = createClient({ url });
  await publisher.connect();
  const readers = new Readers();
  const published: Promise<unknown>[] = [];
  try {
    await readers.open({ ...place, count: 1, sampled: 1 });
    let sent = 0;
    const publish = () => {
      sent += 1;
      // The monotonic clock is one for all processes of a machine.
      const value = `{"sent":"${process.hrtime.bigint()}","text":"${'x'.repeat(150)}"}`;
      published.push(publisher.publish(CHANNEL, `{"op":"put","key":"l.${sent % KEYS}","value":${value}}`));
    };
    await paced(MESSAGES_PER_SECOND, seconds / 2, publish);
    await Promise.all(published.splice(0));
    await readers.drained();
    await readers.reset();
    const expected = await paced(MESSAGES_PER_SECOND, seconds, publish);
    await Promise.all(published.splice(0));
    const { latencies } = await readers.drained();
    if (latencies.length !== expected)
      throw new Error(`${latencies.length} of ${expected} messages arrived at the ${place.transport} reader.`);
    return { p50: percentile(latencies, 0.5) / 1000, p99: percentile(latencies, 0.99) / 1000 };
  } finally {
    await readers.close();
    publisher.destroy();
  }
}

/** From the moment before a message is published on a Redis to the arrival of its change at a watcher in another process. */
export async function redisPubsubLatency(effort: Effort): Promise<readonly Figure[]> {
  requireRedis();
  const ends: (() => unknown)[] = [];
  try {
    const redis = await startRedis({ after: (end) => ends.push(end) });
    const floor = await measure(redis.url, { transport: 'pubsub', port: redis.port, path: CHANNEL }, effort);
    const source = {
      name: 'bench',
      kind: 'redis-pubsub',
      url: redis.url,
      channels: [CHANNEL],
      format: { kind: 'command' },
    };
    const start = latchkeyWith({ env: { LATCHKEY_SOURCES: JSON.stringify([source]) } });
    const latchkey = await withServer(start, ({ port }) =>
      measure(redis.url, { transport: 'sse', port, path: '/v1/watch?prefix=l.' }, effort),
    );
    const name = `pub/sub message on a Redis to a watcher, ${MESSAGES_PER_SECOND} messages/s`;
    const common = { name, isLowerBetter: true, floorIs: 'the same message at a subscriber of that Redis' };
    return [
      { ...common, unit: 'ms p50', latchkey: latchkey.p50, floor: floor.p50, goal: 1.5 },
      { ...common, unit: 'ms p99', latchkey: latchkey.p99, floor: floor.p99, goal: 5 },
    ];
  } finally {
    for (const end of ends) await end();
  }
}

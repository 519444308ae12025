// The node that holds the leases stands still for longer than they last, as in a paused virtual machine, and wakes up believing that it
// still holds them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from '@redis/client';
import { ask, get, put } from '../support/http-client.ts';
import { startRedis } from '../support/redis.ts';
import { eventually, startNodes, untilAgree, untilApplied } from '../support/redis-nodes.ts';
import type { ServerProcess } from '../support/server-process.ts';

const FIRST = 20;
const MEANWHILE = 20;
const AFTERWARDS = 20;

interface Status {
  readonly log: { readonly head: number };
  readonly sinks: readonly { readonly name: string; readonly holder: boolean; readonly behind: number }[];
}

const statusOf = async (node: ServerProcess) => (await ask(`${node.url}/v1/status`)).json as Status;
const holds = (status: Status) => status.sinks.some(({ holder }) => holder);

test('a frozen lease holder that wakes up is fenced: what the other node published meanwhile is not followed by anything older', async (t) => {
  const redis = await startRedis(t);
  const listener = createClient({ url: redis.url });
  listener.on('error', () => undefined);
  t.after(() => listener.destroy());
  await listener.connect();
  const heard: number[] = [];
  await listener.subscribe('counter', (payload) => heard.push(Number(payload)));
  const sink = { name: 'notify', kind: 'redis', url: redis.url, keys: ['counter'], payload: 'value' };
  const nodes = await startNodes(t, 2, redis.url, { LATCHKEY_SINKS: JSON.stringify([sink]) });
  const holder = await eventually(
    'a node holds the sink',
    async () =>
      (await Promise.all(nodes.map(async (node) => (holds(await statusOf(node)) ? node : undefined)))).find(Boolean),
    (found) => found !== undefined,
  );
  const other = nodes.find((node) => node !== holder);
  if (holder === undefined || other === undefined) throw new Error('one of two nodes holds the sink');
  let counter = 0;
  const count = async (node: ServerProcess, times: number) => {
    for (let n = 0; n < times; n += 1) {
      counter += 1;
      const { status, text } = await put(node.url, 'counter', counter);
      assert.equal(status, 200, text);
    }
  };
  // Once its position is in the log, nothing after it may be left out.
  await count(holder, 1);
  const written = (await statusOf(holder)).log.head;
  await eventually(
    'the position of the sink is kept',
    async () => (await statusOf(holder)).log.head,
    (head) => head > written,
  );
  await count(holder, FIRST - 1);
  holder.signal('SIGSTOP'); // In the midst of publishing.
  await count(other, MEANWHILE);
  await untilApplied(other, { op: 'put', key: 'short', value: 1, ttl: 0.2 });
  await eventually(
    'the other node took over and published the rest',
    async () => heard.at(-1),
    (last) => last === counter,
  );
  const takenOver = heard.length;
  holder.signal('SIGCONT');
  await count(holder, AFTERWARDS);
  await eventually(
    'all is published',
    async () => heard.at(-1),
    (last) => last === counter,
  );
  assert.deepEqual(
    heard.slice(takenOver),
    Array.from({ length: AFTERWARDS }, (_, index) => FIRST + MEANWHILE + index + 1),
    'nothing of the node that was asleep',
  );
  assert.deepEqual([...new Set(heard)].length, counter, 'and nothing was left out');
  await untilAgree(nodes, (values) => !('short' in values));
  const { text } = await get(holder.url, 'short', '?history=true');
  assert.equal(text.split('"expired"').length - 1, 1, `what expired meanwhile expired once: ${text}`);
});

// What a run must still find where its history is not the plain one: values left out, filters changed, old changes trimmed.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { fakeServer, json } from '../cli/fake-server.fixture.ts';
import { Deployment } from './deployment.ts';
import { historyOf, judge, reachOf } from './judge.ts';
import { globOf, shapesOf } from './shapes.ts';
import type { WireChange } from './sight.ts';
import { Window } from './window.ts';

const PREFIX = 'v.1.';
const KEY = `${PREFIX}a.0`;
const put = (offset: number, value: unknown, key = KEY): WireChange => ({
  op: 'put',
  key,
  value,
  version: `aaaa.${offset}`,
});

/** A window in which one writer put 1, 2 and 3 under one key. */
function written(): Window {
  const window = new Window(PREFIX);
  for (const value of [1, 2, 3]) {
    const sentAt = window.tick();
    window.outcome('w', { op: 'put', key: KEY, value }, sentAt, { outcome: 'applied', version: `aaaa.${value}` });
  }
  return window;
}

async function judged(
  scope: { after(done: () => unknown): void },
  window: Window,
  server: { readonly changes: readonly WireChange[]; readonly entry: unknown; readonly historyFloor?: number },
) {
  const { url } = await fakeServer(scope, (asked, response) => {
    if (asked.url === '/v1/status') return json(response, { view: { historyFloor: server.historyFloor ?? 0 } });
    if (!asked.url.includes(encodeURIComponent(KEY))) return json(response, {}, 404);
    const isHistory = asked.url.includes('history=true');
    return json(response, isHistory ? { changes: server.changes } : { ...put(3, server.entry), op: undefined });
  });
  const deployment = new Deployment({ server: url }, new ManualClock());
  return judge(await historyOf(deployment, window, reachOf(window.acks))).map(({ guarantee }) => guarantee);
}

describe('a window is judged', () => {
  test('by what the deployment has: a change that is not there was lost, and so was its value', async (t) => {
    assert.deepEqual(await judged(t, written(), { changes: [put(1, 1), put(2, 2), put(3, 3)], entry: 3 }), []);
    assert.deepEqual(await judged(t, written(), { changes: [put(1, 1), put(3, 3)], entry: 3 }), ['NoLostAck']);
    assert.deepEqual(await judged(t, written(), { changes: [put(1, 1), put(2, 2), put(3, 3)], entry: 2 }), [
      'NoLostAck',
    ]);
  });

  test('without blame for what the history window no longer holds', async (t) => {
    assert.deepEqual(await judged(t, written(), { changes: [put(3, 3)], entry: 3, historyFloor: 2 }), []);
    assert.deepEqual(await judged(t, written(), { changes: [put(3, 3)], entry: 3, historyFloor: 1 }), ['NoLostAck']);
  });

  test('with values taken from the log for a watch without them, and with Converged for whole watches alone', async (t) => {
    const server = { changes: [put(1, 1), put(2, 2), put(3, 3)], entry: 3 };
    const window = written();
    const watch = window.watch('bare', (key) => key === KEY, false);
    const sight = (offset: number) => ({ partition: 0, offset, epoch: 'aaaa', op: 'put' as const, key: KEY });
    const position = (offset: number) => ({ epoch: 'aaaa', components: [{ offset }] });
    watch.observations.push({ kind: 'opened', position: position(0), snapshotTo: undefined });
    for (const offset of [1, 2]) {
      watch.observations.push({ kind: 'change', sight: sight(offset), position: position(offset) });
    }
    assert.deepEqual(await judged(t, window, server), ['Converged']);
    watch.isWhole = false;
    assert.deepEqual(await judged(t, window, server), []);
    watch.observations.push({ kind: 'change', sight: { ...sight(3), op: 'remove' }, position: position(3) });
    assert.deepEqual(await judged(t, window, server), ['SeenStays']);
  });
});

test('every filter of a window matches the key that ends it, and none a key of another window', () => {
  const window = new Window(PREFIX);
  for (const { about, matches } of shapesOf(window)) {
    assert.ok(matches(window.endKey), about);
    assert.ok(!matches('v.2.a.0'), about);
  }
  assert.equal(globOf('a*b[c]?\\^'), 'a\\*b\\[c\\]\\?\\\\\\^');
});

test('the place that readers wait for has the highest offset of each partition', () => {
  const at = (partition: number, offset: number) =>
    ({ partition, offset, epoch: 'aaaa', op: 'put', key: KEY, content: '1' }) as const;
  assert.equal(reachOf([at(0, 5), at(0, 3)]), 'aaaa.5');
  assert.equal(reachOf([at(2, 7), at(0, 9), at(2, 4)]), 'aaaa.0-9,1-0,2-7');
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FeedWorld } from '../../../test/support/feed-world.ts';
import { TestOutlet, testCodec, type Watcher } from '../../../test/support/watcher.ts';
import { ANONYMOUS } from '../shared/access.ts';

async function liveAndFull(world: FeedWorld, options = {}): Promise<Watcher> {
  const watcher = world.watcher({ bytesMax: 1, from: 'now', ...options });
  await world.settle(watcher);
  world.view.put('fills');
  await world.idle();
  assert.ok(watcher.outlet.isFull);
  assert.deepEqual(world.feed.counts().behind, 1);
  return watcher;
}

describe('a watch whose socket is full', () => {
  it('costs nothing but its position, and gets the very buffers of the others when it drains', async () => {
    const world = new FeedWorld();
    const slow = await liveAndFull(world);
    const quick = world.watcher({ from: 'now' });
    await world.settle(quick);
    for (const key of ['a', 'b', 'c']) {
      world.view.put(key);
      await world.idle();
    }
    const buffers = [...quick.outlet.buffers];
    assert.equal(slow.outlet.buffers.length, 1, 'nothing is queued for it');
    for (let index = 0; index < 3; index += 1) {
      slow.read();
      await world.idle();
      assert.equal(slow.outlet.buffers[0], buffers[index]);
    }
    await world.settle(slow);
    assert.deepEqual(slow.story, ['opened', 'synced', 'put fills', 'put a', 'put b', 'put c']);
  });

  it('reads the view where the ring has moved on, complete up to its limit', async () => {
    const world = new FeedWorld({ feed: { catchUpChangesMax: 20 }, bounds: { ringChunksMax: 2 } });
    const slow = await liveAndFull(world);
    for (let count = 0; count < 20; count += 1) {
      world.view.put('a', count);
      await world.idle();
    }
    await world.settle(slow);
    assert.equal(slow.changes.length, 21);
    assert.ok(!slow.story.includes('conflated'));
  });

  it('beyond its limit gets the last change of each key, announced, and is synced again', async () => {
    const world = new FeedWorld({ feed: { catchUpChangesMax: 20 }, bounds: { ringChunksMax: 2 } });
    const slow = await liveAndFull(world);
    for (let count = 0; count < 30; count += 1) {
      world.view.put(`k${count % 3}`);
      await world.idle();
    }
    await world.settle(slow);
    assert.deepEqual(slow.story.slice(3), ['conflated', 'put k0', 'put k1', 'put k2', 'synced']);
    world.view.put('after');
    await world.settle(slow);
    assert.equal(slow.story.at(-1), 'put after');
  });

  it('is not conflated for changes that were none of its own', async () => {
    const world = new FeedWorld({ feed: { catchUpChangesMax: 5 }, bounds: { ringChunksMax: 1 } });
    const slow = await liveAndFull(world, { filter: { keys: ['fills', 'mine'] } });
    for (let count = 0; count < 100; count += 1) world.view.put(count % 25 === 0 ? 'mine' : 'other');
    await world.settle(slow);
    assert.deepEqual(slow.story.slice(3), ['put mine', 'put mine', 'put mine', 'put mine']);
  });

  it('is ended, the longest stalled first, where stalled sockets hold more than the cap', async () => {
    const world = new FeedWorld({ feed: { pinnedBytesMax: 1000 } });
    const request = { principal: ANONYMOUS, from: 'now', withValues: true, codec: testCodec('lines') } as const;
    const outlets = ['a', 'b', 'c'].map((key) => {
      const outlet = new TestOutlet(key);
      world.feed.watch({ ...request, filter: { keys: [key] } }, outlet);
      outlet.bytesMax = 600;
      return outlet;
    });
    await world.idle();
    const positions = (key: string) => Array.from({ length: 6 }, () => ({ key }));
    for (const key of ['a', 'b', 'c']) {
      world.nowMs += 1;
      world.view.write(...positions(key));
      await world.idle();
      assert.ok(world.feed.pinnedBytes <= 1000);
    }
    assert.deepEqual(
      outlets.map(({ ended }) => ended),
      ['stalled', 'stalled', undefined],
    );
  });

  it('drained from within the write that filled it, goes on', async () => {
    const world = new FeedWorld();
    const watcher = world.watcher({ from: 'now' });
    await world.settle(watcher);
    watcher.outlet.bytesMax = 1;
    watcher.outlet.onWrite = () => watcher.drainEarly();
    for (const key of ['a', 'b', 'c']) {
      world.view.put(key);
      await world.idle();
    }
    watcher.read();
    assert.deepEqual(watcher.story, ['opened', 'synced', 'put a', 'put b', 'put c']);
  });

  it('leaves no trace when it closes', async () => {
    const world = new FeedWorld();
    const watcher = await liveAndFull(world);
    assert.ok(world.feed.pinnedBytes > 0);
    const { watch } = watcher;
    watcher.cut();
    watch?.close();
    watch?.drained();
    assert.equal(world.feed.pinnedBytes, 0);
    assert.deepEqual(world.feed.counts(), { watchers: 0, groups: 0, behind: 0 });
  });
});

describe("watches that share a connection and their group's frames", () => {
  it('are taken out of the shared frames in the call that says the socket drained', async () => {
    const world = new FeedWorld();
    const slow = await liveAndFull(world, { codec: 'frames' });
    world.view.put('a');
    await world.idle();
    slow.outlet.shift();
    slow.outlet.isFull = false;
    slow.watch?.drained();
    const frame = JSON.parse(slow.outlet.buffers[0]?.toString() ?? '{}');
    assert.equal(frame.control?.op, 'behind', 'before another watch can go live and bring the frames back');
    await world.settle(slow);
    assert.equal(slow.story.at(-1), 'synced');
  });

  it('stay in them where nothing came meanwhile', async () => {
    const world = new FeedWorld();
    const slow = await liveAndFull(world, { codec: 'frames' });
    await world.settle(slow);
    world.view.put('a');
    await world.settle(slow);
    assert.deepEqual(slow.story, ['opened', 'synced', 'put fills', 'put a']);
  });
});

describe('many that are behind', () => {
  it('take turns, and live ones do not wait for them', async () => {
    const world = new FeedWorld({ bounds: { pageChangesMax: 1, walkDistanceMin: 1e9 } });
    for (let count = 0; count < 500; count += 1) world.view.put(`k${count}`);
    const live = world.watcher({ from: 'now', filter: { keys: ['live'] } });
    await world.settle(live);
    const [one, other] = [world.watcher(), world.watcher()];
    await new Promise((resolve) => setImmediate(resolve));
    world.view.put('live');
    await Promise.resolve();
    live.read();
    assert.equal(live.story.at(-1), 'put live');
    one.read();
    other.read();
    assert.ok(Math.abs(one.changes.length - other.changes.length) <= 1);
    assert.ok(one.changes.length < 500);
    await world.settle(one, other);
    assert.equal(one.changes.length, 501);
  });

  it('with a narrow filter read what they want by key, not the whole log', async () => {
    const world = new FeedWorld({ bounds: { walkDistanceMin: 10 } });
    for (let count = 0; count < 2000; count += 1)
      world.view.put(count % 100 === 0 ? `mine.${count}` : `other.${count}`);
    const scan = world.view.scan.bind(world.view);
    let scanned = 0;
    world.view.scan = (...call) => {
      const page = scan(...call);
      scanned += page.changes.length;
      return page;
    };
    const byPrefix = world.watcher({ filter: { prefixes: ['mine.'] } });
    const byKey = world.watcher({ filter: { keys: ['mine.100', 'other.7', 'missing'] } });
    await world.settle(byPrefix, byKey);
    assert.equal(byPrefix.changes.length, 20);
    assert.deepEqual(byKey.story, ['opened', 'put other.7', 'put mine.100', 'synced']);
    byKey.cut();
    for (let count = 0; count < 100; count += 1) world.view.put(count % 10 === 0 ? 'mine.100' : 'other.9');
    byKey.connect(world.feed);
    await world.settle(byPrefix, byKey);
    assert.equal(byKey.changes.length, 12);
    assert.equal(scanned, 0);
  });
});

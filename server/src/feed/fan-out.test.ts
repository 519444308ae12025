import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LatchkeyError, type parsePosition } from '@latchkey/client';
import { FeedWorld } from '../../../test/support/feed-world.ts';
import { TestOutlet, testCodec, Watcher } from '../../../test/support/watcher.ts';
import { type Access, ANONYMOUS } from '../shared/access.ts';
import type { Codec } from './feed.ts';

/** Resolves at the next write to the watcher's outlet. */
function nextWrite(watcher: Watcher): Promise<void> {
  return new Promise((resolve) => {
    watcher.outlet.onWrite = () => {
      watcher.outlet.onWrite = undefined;
      resolve();
    };
  });
}

describe('fan-out', () => {
  it('encodes a group once a tick and hands everybody the same buffer', async () => {
    const world = new FeedWorld();
    let encoded = 0;
    const plain = testCodec('lines');
    const codec: Codec = {
      ...plain,
      live: (...call) => {
        encoded += 1;
        return plain.live(...call);
      },
    };
    const outlets = Array.from({ length: 50 }, (_, index) => new TestOutlet(`w${index}`));
    for (const outlet of outlets) {
      world.feed.watch({ filter: {}, principal: ANONYMOUS, from: 'now', withValues: true, codec }, outlet);
    }
    await world.idle();
    assert.deepEqual(world.feed.counts(), { watchers: 50, groups: 1, behind: 0 });
    world.view.write({ key: 'a' }, { key: 'b' }, { key: 'a' });
    await world.idle();
    assert.equal(encoded, 1);
    assert.equal(new Set(outlets.map(({ buffers }) => buffers.at(-1))).size, 1);
    assert.equal(world.feed.delivered(), 150);
  });

  it('delivers in the turn in which a change became durable while nothing else is going on', async () => {
    const world = new FeedWorld();
    const watcher = world.watcher({ from: 'now' });
    await world.settle(watcher);
    world.view.put('a');
    await Promise.resolve();
    watcher.read();
    assert.equal(watcher.story.at(-1), 'put a');
  });

  it('cuts chunks at 64 KiB of keys and values, or at one change', async () => {
    const world = new FeedWorld();
    const watcher = world.watcher({ from: 'now' });
    await world.settle(watcher);
    const value = { kind: 'json', data: `"${'x'.repeat(30_000)}"` } as const;
    const big = { kind: 'json', data: `"${'x'.repeat(200_000)}"` } as const;
    world.view.write(
      { key: 'a', value },
      { key: 'b', value },
      { key: 'c', value },
      { key: 'd', value: big },
      { key: 'e', value },
    );
    await world.idle();
    assert.deepEqual(
      watcher.outlet.buffers.map((buffer) => JSON.parse(buffer.toString()).changes.length),
      [2, 1, 1, 1],
    );
    await world.settle(watcher);
    assert.equal(watcher.changes.length, 5);
  });

  it('costs a broken codec its own live watchers only', async () => {
    const world = new FeedWorld();
    const watcher = world.watcher({ from: 'now' });
    const plain = testCodec('lines');
    const codec: Codec = {
      ...plain,
      name: 'broken',
      live: () => {
        throw new Error('this codec throws');
      },
    };
    const outlet = new TestOutlet('broken');
    world.feed.watch({ filter: {}, principal: ANONYMOUS, from: 'now', withValues: true, codec }, outlet);
    await world.settle(watcher);
    world.view.put('a');
    await world.settle(watcher);
    assert.equal(outlet.ended, 'closing');
    assert.equal(watcher.story.at(-1), 'put a');
    assert.equal(world.faults.length, 1);
    assert.equal(world.feed.counts().watchers, 1);
  });

  it('loses nothing for a watch that is made from within the write of another', async () => {
    const world = new FeedWorld();
    const outer = world.watcher({ from: 'now' });
    await world.settle(outer);
    const inner = new Watcher({ filter: { prefixes: ['a'] } });
    outer.outlet.onWrite = () => {
      outer.outlet.onWrite = undefined;
      inner.from = 'start';
      inner.connect(world.feed);
    };
    world.view.write({ key: 'a1' }, { key: 'a2' });
    await world.settle(outer, inner);
    world.view.put('a3');
    await world.settle(outer, inner);
    assert.deepEqual(inner.story, ['opened', 'put a1', 'put a2', 'synced', 'put a3']);
  });
});

describe('the heartbeat', () => {
  it('moves the position of a watch to which nothing happens', async () => {
    const world = new FeedWorld({ feed: { progressIntervalMs: 35 } });
    const watcher = world.watcher({ filter: { keys: ['quiet'] }, from: 'now' });
    await world.settle(watcher);
    for (let count = 0; count < 5; count += 1) world.view.put('busy');
    world.view.skip();
    await nextWrite(watcher);
    watcher.read();
    assert.equal(watcher.story.at(-1), 'progress');
    const { components } = watcher.from as ReturnType<typeof parsePosition>;
    assert.deepEqual(components, [{ offset: 6 }]);
    watcher.cut();
  });

  it('ends a watch that drained nothing for the stalled timeout, and leaves slow ones alone', async () => {
    const world = new FeedWorld({ feed: { progressIntervalMs: 35, stalledTimeoutMs: 1000 } });
    const [stalled, slow, beating] = [world.watcher({ bytesMax: 1 }), world.watcher({ bytesMax: 1 }), world.watcher()];
    await world.settle(slow, beating);
    world.nowMs = 999;
    world.view.put('a');
    await world.settle(slow, beating);
    world.view.put('b');
    world.nowMs = 1000;
    await nextWrite(beating);
    await world.idle();
    assert.equal(stalled.outlet.ended, 'stalled');
    assert.equal(slow.outlet.ended, undefined);
    for (const watcher of [stalled, slow, beating]) watcher.cut();
  });
});

describe('close', () => {
  it('delivers what is pending, says where everybody is and when to come back, and ends', async () => {
    const world = new FeedWorld();
    const [open, full] = [world.watcher({ from: 'now' }), world.watcher({ bytesMax: 1 })];
    await world.settle(open);
    world.view.put('a');
    await world.feed.close();
    open.read();
    assert.deepEqual(open.story, ['opened', 'synced', 'put a', 'progress', 'bye']);
    const bye = open.seen.at(-1);
    assert.deepEqual(bye?.kind === 'control' && bye.event, { op: 'bye', afterMs: 250 });
    assert.equal(open.outlet.ended, 'closing');
    full.read();
    assert.deepEqual(full.story, ['opened'], 'a full socket is given nothing more, not even bye');
    assert.equal(full.outlet.ended, 'closing');
    await world.feed.close();
    assert.deepEqual(world.feed.counts(), { watchers: 0, groups: 0, behind: 0 });
    assert.throws(
      () => world.watcher(),
      (error) => error instanceof LatchkeyError && error.code === 'closing',
    );
  });
});

describe('what a principal may watch', () => {
  const access: Access = {
    allowed: ({ id }, action, key) => action === 'watch' && key.startsWith(`${id}.`),
    grants: ({ id }) => id,
  };
  const request = (id: string) => ({ principal: { id }, withValues: true, codec: testCodec('lines') }) as const;

  it('is asked for exact keys when the watch is made, and for every change', async () => {
    const world = new FeedWorld({ access });
    assert.throws(
      () => world.feed.watch({ ...request('ann'), filter: { keys: ['bob.1'] }, from: 'start' }, new TestOutlet('x')),
      (error) => error instanceof LatchkeyError && error.code === 'forbidden',
    );
    world.view.put('bob.1');
    world.view.put('ann.1');
    const [ann, bob] = [new TestOutlet('ann'), new TestOutlet('bob')];
    world.feed.watch({ ...request('ann'), filter: {}, from: 'start' }, ann);
    world.feed.watch({ ...request('bob'), filter: {}, from: 'start' }, bob);
    await world.idle();
    world.view.put('ann.2');
    world.view.put('bob.2');
    await world.idle();
    const keys = (outlet: TestOutlet) =>
      Buffer.concat(outlet.buffers)
        .toString()
        .match(/(ann|bob)\.\d/g);
    assert.deepEqual(
      [keys(ann), keys(bob)],
      [
        ['ann.1', 'ann.2'],
        ['bob.1', 'bob.2'],
      ],
    );
    assert.equal(world.feed.counts().groups, 2);
  });

  it('is part of the position: with other grants it is reset', async () => {
    const world = new FeedWorld({ access });
    const outlet = new TestOutlet('x');
    const { filterHash } = world.feed.watch({ ...request('ann'), filter: {}, from: 'now' }, outlet).position();
    const from = { epoch: 'aaaa', components: [{ offset: 0 }], ...(filterHash === undefined ? {} : { filterHash }) };
    const other = new TestOutlet('y');
    world.feed.watch({ ...request('bob'), filter: {}, from }, other);
    await world.idle();
    assert.match(Buffer.concat(other.buffers).toString(), /"op":"reset","reason":"filter"/);
  });
});

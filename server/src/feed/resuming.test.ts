import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatPosition, LatchkeyError, parsePosition } from '@latchkey/client';
import { FeedWorld } from '../../../test/support/feed-world.ts';
import { MemoryView } from '../../../test/support/memory-view.ts';
import { Watcher } from '../../../test/support/watcher.ts';

/** The event of that name which the watcher was told last. */
function told(watcher: Watcher, op: string): Record<string, unknown> {
  const seen = watcher.seen.findLast((one) => one.kind === 'control' && one.event.op === op);
  assert.ok(seen?.kind === 'control', `${op} was told; the story is ${watcher.story}`);
  return seen.event;
}

function hashOf(watcher: Watcher): string {
  return parsePosition(String(told(watcher, 'opened').position)).filterHash as string;
}

describe('where a watch begins', () => {
  it('is told opened before anything else and before watch returns', () => {
    const world = new FeedWorld();
    const watcher = world.watcher();
    assert.equal(watcher.outlet.buffers.length, 1);
    watcher.read();
    assert.deepEqual(watcher.story, ['opened']);
    assert.deepEqual(told(watcher, 'opened'), {
      op: 'opened',
      position: `aaaa.0;${hashOf(watcher)}`,
      epoch: 'aaaa',
      node: 'n1',
    });
  });

  it('from start, gets what is there in offset order, the end of the snapshot as its own event, then what is new', async () => {
    const world = new FeedWorld();
    for (const key of ['a', 'b', 'a', 'c']) world.view.put(key);
    world.view.remove('b');
    const watcher = world.watcher();
    await world.settle(watcher);
    world.view.put('b');
    await world.settle(watcher);
    assert.deepEqual(watcher.story, ['opened', 'put a', 'put c', 'synced', 'put b']);
    const hash = hashOf(watcher);
    assert.equal(told(watcher, 'opened').position, `aaaa.0~5;${hash}`);
    assert.equal(told(watcher, 'opened').snapshotTo, `aaaa.5;${hash}`);
    assert.deepEqual(
      watcher.changes.map(({ position }) => position),
      [`aaaa.3~5;${hash}`, `aaaa.4~5;${hash}`, `aaaa.6;${hash}`],
    );
  });

  it('from now, gets only what is new', async () => {
    const world = new FeedWorld();
    world.view.put('a');
    const watcher = world.watcher({ from: 'now' });
    await world.settle(watcher);
    world.view.put('b');
    await world.settle(watcher);
    assert.deepEqual(watcher.story, ['opened', 'synced', 'put b']);
  });

  it('shows no entry past its expiry in a snapshot, decided or not', async () => {
    const world = new FeedWorld();
    world.view.write({ key: 'due', expires: world.view.now }, { key: 'not due', expires: world.view.now + 1 });
    const watcher = world.watcher();
    await world.settle(watcher);
    assert.deepEqual(watcher.story, ['opened', 'put not due', 'synced']);
  });

  it('accepts a position without a hash: its sender vouches for what it holds', async () => {
    const world = new FeedWorld();
    for (const key of ['a', 'b', 'c']) world.view.put(key);
    const watcher = new Watcher({ filter: { keys: ['b', 'c'] } });
    watcher.from = parsePosition('aaaa.2');
    watcher.connect(world.feed);
    await world.settle(watcher);
    assert.deepEqual(watcher.story, ['opened', 'put c', 'synced']);
  });

  it('waits for a position that is durable but not yet fanned out, and repeats nothing', async () => {
    const world = new FeedWorld();
    world.view.put('a');
    const watcher = new Watcher();
    watcher.from = world.view.position();
    watcher.connect(world.feed);
    await world.settle(watcher);
    world.view.skip();
    world.view.put('b');
    await world.settle(watcher);
    assert.deepEqual(watcher.story, ['opened', 'synced', 'put b']);
  });

  it('refuses a snapshot position beyond its own end', () => {
    const world = new FeedWorld();
    const watcher = new Watcher();
    watcher.from = { epoch: 'aaaa', components: [{ offset: 9, base: 3 }] };
    assert.throws(
      () => watcher.connect(world.feed),
      (error) => error instanceof LatchkeyError && error.code === 'position-invalid',
    );
    assert.deepEqual(world.feed.counts(), { watchers: 0, groups: 0, behind: 0 });
  });
});

describe('resuming', () => {
  it('goes on after the last position, complete, over a clean restart into a new epoch', async () => {
    const world = new FeedWorld();
    world.view.put('a');
    const watcher = world.watcher();
    await world.settle(watcher);
    watcher.cut();
    for (let count = 0; count < 3; count += 1) world.view.put('a');
    world.view.startEpoch('bbbb');
    world.view.put('a');
    const next = new FeedWorld({ view: world.view });
    watcher.connect(next.feed);
    await next.settle(watcher);
    assert.deepEqual(
      watcher.changes.map(({ offset }) => offset),
      [1, 2, 3, 4, 5],
    );
    assert.ok(!watcher.story.includes('reset'));
    assert.match(formatPosition(watcher.from as never), /^bbbb\.5;/);
  });

  it('goes on in the middle of a snapshot that was cut off', async () => {
    const world = new FeedWorld({ bounds: { pageChangesMax: 2 } });
    for (let key = 0; key < 10; key += 1) world.view.put(`k${key}`);
    const watcher = world.watcher({ bytesMax: 1 });
    while (watcher.changes.length < 4) {
      watcher.read(1);
      await world.idle();
    }
    watcher.cut();
    world.view.put('k9');
    world.view.put('k0');
    watcher.connect(world.feed);
    await world.settle(watcher);
    assert.deepEqual(
      watcher.changes.map(({ offset }) => offset),
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12],
    );
    assert.equal(watcher.story.filter((op) => op === 'opened').length, 2);
    assert.match(String(told(watcher, 'opened').position), /^aaaa\.4~10;/);
  });

  it('is complete up to where it started, however far behind and slow it is; only beyond is it conflated', async () => {
    const world = new FeedWorld({ feed: { catchUpChangesMax: 3 }, bounds: { pageChangesMax: 5, ringChunksMax: 1 } });
    const [other, watcher] = [world.watcher(), world.watcher({ bytesMax: 1 })];
    await world.settle(other, watcher);
    watcher.cut();
    for (let count = 0; count < 50; count += 1) world.view.put('a');
    await world.settle(other);
    watcher.connect(world.feed);
    for (let count = 0; count < 20; count += 1) {
      world.view.put('a');
      await world.idle();
    }
    await world.settle(other, watcher);
    const offsets = watcher.changes.map(({ offset }) => offset);
    assert.deepEqual(
      offsets.slice(0, 50),
      Array.from({ length: 50 }, (_, index) => index + 1),
    );
    assert.equal(offsets.at(-1), 70);
    assert.ok(offsets.length < 60);
    assert.equal(watcher.story.filter((op) => op === 'conflated').length, 1);
  });

  it('between the floors is conflated to the last change of each key, removes included, and says so', async () => {
    const world = new FeedWorld();
    world.view.put('a');
    const watcher = world.watcher();
    await world.settle(watcher);
    watcher.cut();
    for (const key of ['a', 'b', 'a', 'c', 'b']) world.view.put(key);
    world.view.remove('c');
    world.view.trim(5);
    watcher.connect(world.feed);
    await world.settle(watcher);
    assert.deepEqual(watcher.story.slice(3), ['opened', 'conflated', 'put a', 'put b', 'remove c', 'synced']);
    const hash = hashOf(watcher);
    assert.deepEqual(told(watcher, 'conflated'), { op: 'conflated', from: `aaaa.1;${hash}`, to: `aaaa.7;${hash}` });
  });
});

describe('a position that cannot be honoured', () => {
  async function resumed(from: string, view: MemoryView, filter = {}): Promise<Watcher> {
    const world = new FeedWorld({ view });
    const watcher = new Watcher({ filter });
    watcher.from = parsePosition(from);
    watcher.connect(world.feed);
    await world.settle(watcher);
    return watcher;
  }

  function filled(): MemoryView {
    const view = new MemoryView();
    view.put('a');
    view.remove('b');
    view.put('c');
    return view;
  }

  const cases: readonly [name: string, from: string, reason: string][] = [
    ['of an unknown epoch', 'zzzz.1', 'epoch'],
    ['beyond what its epoch holds', 'aaaa.3', 'epoch'],
    ['of another filter', 'aaaa.1;000000', 'filter'],
    ['ahead of the log', 'bbbb.99', 'ahead'],
    ['in a snapshot whose end is ahead of the log', 'bbbb.1~99', 'ahead'],
    ['from before tombstones that were collected', 'aaaa.1', 'collected'],
    ['in a snapshot from before tombstones that were collected', 'aaaa.0~1', 'collected'],
    ['of partitions that are not there', 'aaaa.0-1,1-1', 'epoch'],
  ];
  for (const [name, from, reason] of cases) {
    it(`${name} is answered with reset (${reason}) and a snapshot on the same connection`, async () => {
      const view = filled();
      view.trim(2);
      view.collect(2);
      view.startEpoch('bbbb', 1);
      view.put('d');
      const watcher = await resumed(from, view);
      assert.deepEqual(watcher.story, ['opened', 'reset', 'put a', 'put d', 'synced']);
      assert.equal(told(watcher, 'reset').reason, reason);
      assert.match(String(told(watcher, 'reset').position), /^bbbb\.0~3;/);
      assert.equal(told(watcher, 'opened').position, from, 'cut off before the reset, it must be told again');
    });
  }

  it('leaves nothing to forget in an empty store, and still says so', async () => {
    const watcher = await resumed('zzzz.1', new MemoryView());
    assert.deepEqual(watcher.story, ['opened', 'reset', 'synced']);
    assert.equal(told(watcher, 'reset').snapshotTo, undefined);
  });

  it('is noticed while it catches up, too', async () => {
    const view = new MemoryView();
    const world = new FeedWorld({ view, bounds: { pageChangesMax: 1 } });
    for (const key of ['a', 'b', 'c']) view.put(key);
    const watcher = world.watcher({ bytesMax: 1 });
    while (watcher.changes.length < 1) {
      watcher.read(1);
      await world.idle();
    }
    view.remove('a');
    view.trim(4);
    view.collect(4);
    await world.settle(watcher);
    assert.deepEqual(watcher.story, ['opened', 'put a', 'put b', 'reset', 'put b', 'put c', 'synced']);
    assert.equal(told(watcher, 'reset').reason, 'collected');
  });
});

describe('an epoch that begins while the feed runs', () => {
  it('resets those who hold what is gone, and nobody else', async () => {
    const world = new FeedWorld();
    world.view.put('a');
    const [quick, slow] = [world.watcher(), world.watcher({ bytesMax: 1 })];
    await world.settle(quick, slow);
    world.view.put('b');
    await world.settle(quick);
    world.view.put('lost');
    await world.settle(quick);
    world.view.startEpoch('bbbb', 1);
    world.view.put('c');
    await world.settle(quick, slow);
    world.view.put('d');
    await world.settle(quick, slow);
    const before = ['opened', 'put a', 'synced', 'put b'];
    assert.deepEqual(quick.story, [...before, 'put lost', 'reset', 'put a', 'put b', 'put c', 'synced', 'put d']);
    assert.deepEqual(slow.story, [...before, 'put c', 'put d']);
  });
});

describe('a view that begins anew in another epoch while the feed runs', () => {
  for (const isTold of [true, false])
    it(`is read as it is filled again, ${isTold ? 'change by change' : 'untold'}, though the epoch before holds more`, async () => {
      const world = new FeedWorld();
      for (const key of ['a', 'b', 'c', 'lost']) world.view.put(key);
      const watcher = world.watcher();
      await world.settle(watcher);
      world.view.beginAnew('bbbb', 4);
      await world.settle(watcher);
      if (isTold) for (const key of ['a', 'b', 'c', 'd']) world.view.put(key);
      else world.view.writeUntold({ key: 'a' }, { key: 'b' }, { key: 'c' }, { key: 'd' });
      await world.settle(watcher);
      world.view.put('e');
      await world.settle(watcher);
      const before = ['opened', 'put a', 'put b', 'put c', 'put lost', 'synced'];
      assert.deepEqual(watcher.story.slice(0, 7), [...before, 'reset']);
      const puts = watcher.story.slice(7).filter((each) => each !== 'synced');
      assert.deepEqual(puts, ['put a', 'put b', 'put c', 'put d', 'put e']);
    });
});

describe('several partitions', () => {
  it('have one component each in every position', async () => {
    const world = new FeedWorld({ view: new MemoryView(3) });
    world.view.put('a', 1, 0);
    world.view.put('c', 1, 2);
    const watcher = world.watcher();
    await world.settle(watcher);
    world.view.put('b', 1, 1);
    await world.settle(watcher);
    const hash = hashOf(watcher);
    assert.deepEqual(watcher.story, ['opened', 'put a', 'put c', 'synced', 'put b']);
    assert.equal(told(watcher, 'opened').position, `aaaa.0-0~1,1-0,2-0~1;${hash}`);
    assert.deepEqual(
      watcher.changes.map(({ position }) => position),
      [`aaaa.0-1~1,1-0,2-0~1;${hash}`, `aaaa.0-1,1-0,2-1~1;${hash}`, `aaaa.0-1,1-1,2-1;${hash}`],
    );
  });
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { code, jsonOf, one, put, submit } from '../../../test/conformance/log-tools.ts';
import { Nodes, shows } from './redis-nodes.fixture.ts';

describe('a view that can’t take what is in the log', () => {
  test('costs no answer: the node is not ready, sends its watchers away, and catches up when it can', async () => {
    const nodes = await Nodes.around();
    let isFull = false;
    const beforeCommit = () => {
      if (isFull) throw new Error('no space left on device');
    };
    const a = await nodes.start({ failpoints: { beforeCommit } });
    let unfit = 0;
    a.onUnfit(() => {
      unfit += 1;
    });
    await one(a, put('k', 1));
    isFull = true;
    assert.equal((await one(a, put('k', 2))).outcome, 'applied');
    assert.deepEqual([a.state().isReady, unfit, jsonOf(a, 'k')], [false, 1, 1]);
    assert.equal(await nodes.redis.command('GET', 'k'), '2');
    assert.equal(await code(submit(a, [put('k', 3)])), 'storage-full');
    const b = await nodes.start();
    await one(b, put('other', 1));
    isFull = false;
    await shows(a, () => a.view.get('other') !== undefined);
    assert.equal(jsonOf(a, 'k'), 2);
    assert.equal(
      (await one(a, put('k', 4, { ifVersion: a.view.epochs.version(a.view.get('k') ?? { partition: 0, offset: 0 }) })))
        .outcome,
      'applied',
    );
    assert.equal(a.state().isReady, true);
    isFull = true;
    assert.equal((await one(a, put('k', 5))).outcome, 'applied');
    const directory = await nodes.stop(a);
    const again = await nodes.start({ directory });
    assert.equal(jsonOf(again, 'k'), 5);
    await nodes.close();
    assert.equal(nodes.faults.length, 2);
  });
});

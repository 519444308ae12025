import assert from 'node:assert/strict';
import { describe } from 'node:test';
import type { Outcome } from '../../server/src/commands/command.ts';
import type { Change } from '../../server/src/shared/change.ts';
import { code, jsonOf, type LogSuite, one, put, SECOND, submit } from './log-tools.ts';

/** What is there after a restart or a failing disk, and what readers are shown. */
export function durabilityPromises(suite: LogSuite): void {
  describe('restarts and failures', () => {
    suite.each('everything is there after a restart, in a new epoch in which old versions still hold', async () => {
      const applied = await one(suite.log, put('a', 1));
      const before = suite.log.view.position();
      suite.log = await suite.probe.reopen();
      assert.equal(jsonOf(suite.log, 'a'), 1);
      assert.notEqual(suite.log.view.epochs.current, before.epoch);
      assert.ok(suite.log.view.epochs.holdsPosition(before));
      assert.ok(applied.outcome === 'applied' && applied.version);
      assert.equal((await one(suite.log, put('a', 2, { ifVersion: applied.version }))).outcome, 'applied');
    });

    suite.each('a step that cannot be written is refused whole, and the log goes on', async () => {
      if (suite.probe.failNextStep === undefined) return;
      await one(suite.log, put('a', 1));
      const seen: Change[] = [];
      suite.log.view.onDurable((changes) => seen.push(...changes));
      suite.probe.failNextStep();
      const progress = { source: 's', sourcePartition: '0', expected: null, next: '1' };
      assert.equal(await code(submit(suite.log, [put('a', 2), put('b', 1)], { progress })), 'storage-full');
      assert.deepEqual([jsonOf(suite.log, 'a'), suite.log.view.get('b'), seen.length], [1, undefined, 0]);
      assert.equal(suite.log.state().isReady, false);
      await submit(suite.log, [put('a', 3)], { progress });
      assert.equal(jsonOf(suite.log, 'a'), 3);
      assert.equal(suite.log.state().isReady, true);
    });

    suite.each(
      'new keys are refused beyond storeBytesMax; known ones still change, and room is made by removing',
      async () => {
        await suite.log.close();
        suite.log = await suite.probe.open((defaults) => ({
          ...defaults,
          limits: { ...defaults.limits, storeBytesMax: 3000 },
          history: { ...defaults.history, changesMax: 1 },
        }));
        const outcomes: Outcome[] = [];
        for (let index = 0; index < 20; index += 1)
          outcomes.push(await one(suite.log, put(`k${index}`, 'x'.repeat(200))));
        const refused = outcomes.find((outcome) => outcome.outcome === 'refused');
        assert.equal(refused?.outcome === 'refused' && refused.code, 'store-full');
        assert.equal((await one(suite.log, put('k0', 'y'))).outcome, 'applied');
      },
    );

    suite.each('what comes after close is refused, what came before is finished', async () => {
      const writes = Array.from({ length: 20 }, (_, index) => one(suite.log, put(`k${index}`, index)));
      const closed = suite.log.close();
      assert.equal(await code(submit(suite.log, [put('late', 1)])), 'closing');
      assert.ok((await Promise.all(writes)).every((outcome) => outcome.outcome === 'applied'));
      await closed;
    });

    suite.each('too much waiting is refused as overload, and nothing of it is kept', async () => {
      await suite.log.close();
      suite.log = await suite.probe.open((defaults) => ({
        ...defaults,
        limits: { ...defaults.limits, pendingCommandsMax: 10 },
      }));
      const results = await Promise.all(
        Array.from({ length: 30 }, (_, index) => code(submit(suite.log, [put(`k${index}`, index)]))),
      );
      assert.equal(results.filter((result) => result === 'none').length, 10);
      assert.equal(results.filter((result) => result === 'overloaded').length, 20);
      assert.equal(suite.log.view.counts().keys, 10);
    });
  });

  describe('the view', () => {
    suite.each('reaches a position as soon as it is durable, or says that it did not', async () => {
      const head = suite.log.view.head(0);
      const ahead = { epoch: suite.log.view.epochs.current, components: [{ offset: head + 1 }] };
      const reached = suite.log.view.reach(ahead, 5000);
      await one(suite.log, put('a', 1));
      await reached;
      const never = { epoch: suite.log.view.epochs.current, components: [{ offset: head + 100 }] };
      assert.equal(await code(suite.log.view.reach(never, 1)), 'position-ahead');
    });

    suite.each('holds every change of the window, and the last one of each key behind it', async () => {
      await suite.log.close();
      suite.log = await suite.probe.open((defaults) => ({
        ...defaults,
        history: { ...defaults.history, changesMax: 20 },
      }));
      for (let index = 0; index < 60; index += 1) await one(suite.log, put(`k${index % 7}`, index));
      await one(suite.log, put('only', 'x'));
      for (let index = 0; index < 60; index += 1) await one(suite.log, put(`k${index % 7}`, index));
      const head = suite.log.view.head(0);
      const floor = suite.log.view.historyFloor(0);
      assert.ok(head - floor <= 21 && head - floor >= 19, `floor ${floor}, head ${head}`);
      const options = { until: head, changesMax: 1000, bytesMax: 1e9, skipSuperseded: false, skipRemoves: false };
      const window = suite.log.view.scan(0, floor, options);
      assert.equal(window.changes.length, head - floor);
      assert.equal(window.reached, head);
      const whole = suite.log.view.scan(0, 0, { ...options, skipSuperseded: true });
      assert.deepEqual(whole.changes.map(({ key }) => key).sort(), ['k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'only']);
      assert.ok(suite.log.view.chain('k0', 0, 100).length <= 5);
    });

    suite.each('lists live entries in key order, by prefix and pattern, page by page', async () => {
      await submit(
        suite.log,
        Array.from({ length: 30 }, (_, index) =>
          put(`${index % 2 ? 'odd' : 'even'}.${String(index).padStart(2, '0')}`, index),
        ),
      );
      await one(suite.log, { op: 'remove', key: 'odd.01' });
      await one(suite.log, put('odd.gone', 1, { ttlMicros: SECOND }));
      suite.probe.clock.advance(1001);
      const keys: string[] = [];
      let after: string | undefined;
      do {
        const page = suite.log.view.list({ prefix: 'odd.', limit: 4, ...(after === undefined ? {} : { after }) });
        keys.push(...page.entries.map(({ key }) => key));
        after = page.next;
      } while (after !== undefined);
      assert.deepEqual(
        keys,
        Array.from({ length: 14 }, (_, index) => `odd.${String(index * 2 + 3).padStart(2, '0')}`),
      );
      assert.deepEqual(
        suite.log.view.list({ pattern: 'even.?4', limit: 10 }).entries.map(({ key }) => key),
        ['even.04', 'even.14', 'even.24'],
      );
    });
  });
}

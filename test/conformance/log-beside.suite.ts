import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { formatPosition, LatchkeyError } from '@latchkey/client';
import { code, jsonOf, type LogSuite, moment, one, put, SECOND, submit } from './log-tools.ts';

/** What a log keeps beside its changes, in the same durable step. */
export function besidePromises(suite: LogSuite): void {
  describe('source progress', () => {
    const progress = (expected: string | null, next: string) => ({
      source: 's',
      sourcePartition: '0',
      expected,
      next,
    });

    suite.each('moves with the changes, by compare-and-set', async () => {
      await submit(suite.log, [put('a', 1)], { progress: progress(null, '10') });
      assert.deepEqual(await suite.log.progress('s'), { 0: '10' });
      const error = await submit(suite.log, [put('a', 2)], { progress: progress('9', '20') }).catch(
        (reason: unknown) => reason,
      );
      assert.ok(error instanceof LatchkeyError && error.code === 'progress-mismatch');
      assert.equal(error.details.extra?.progress, '10');
      assert.equal(jsonOf(suite.log, 'a'), 1);
    });

    suite.each('of two batches from the same place one is refused, also within a tick', async () => {
      const results = await Promise.all([
        code(submit(suite.log, [put('a', 1)], { progress: progress(null, '5') })),
        code(submit(suite.log, [put('a', 2)], { progress: progress(null, '5') })),
        code(submit(suite.log, [put('a', 3)], { progress: progress('5', '6') })),
      ]);
      assert.deepEqual(results, ['none', 'progress-mismatch', 'none']);
      assert.deepEqual(await suite.log.progress('s'), { 0: '6' });
    });

    suite.each('is there after a restart, and moves without any command', async () => {
      await submit(suite.log, [], { progress: progress(null, '10') });
      suite.log = await suite.probe.reopen();
      assert.deepEqual(await suite.log.progress('s'), { 0: '10' });
    });

    suite.each('a batch that does not fit a step moves nothing', async () => {
      const commands = Array.from({ length: 1001 }, (_, index) => put(`k${index}`, index));
      assert.equal(await code(submit(suite.log, commands, { progress: progress(null, '1') })), 'batch-too-big');
      assert.deepEqual(await suite.log.progress('s'), {});
    });
  });

  describe('repeats', () => {
    suite.each('the same idempotency key is answered with the first outcome, also after a restart', async () => {
      const first = await one(suite.log, put('a', 1, { idempotencyKey: 'x' }));
      await one(suite.log, put('a', 2));
      assert.deepEqual(await one(suite.log, put('a', 1, { idempotencyKey: 'x' })), first);
      suite.log = await suite.probe.reopen();
      assert.deepEqual(await one(suite.log, put('a', 1, { idempotencyKey: 'x' })), first);
      assert.equal(jsonOf(suite.log, 'a'), 2);
    });

    suite.each('the same idempotency key with another body is refused', async () => {
      await one(suite.log, put('a', 1, { idempotencyKey: 'x' }));
      const outcome = await one(suite.log, put('a', 2, { idempotencyKey: 'x' }));
      assert.equal(outcome.outcome === 'refused' && outcome.code, 'idempotency-mismatch');
    });

    suite.each('a conflict is remembered with the entry it showed', async () => {
      await one(suite.log, put('a', 1));
      const command = put('a', 2, { ifAbsent: true, idempotencyKey: 'x' });
      const first = await one(suite.log, command);
      await one(suite.log, put('a', 9));
      const second = await one(suite.log, command);
      assert.equal(
        first.outcome === 'conflict' && first.entry?.offset,
        second.outcome === 'conflict' && second.entry?.offset,
      );
    });

    suite.each('a repeated batch of the same sender is answered once decided', async () => {
      const sender = { incarnation: 'i1', sequence: 1 };
      const first = await submit(suite.log, [put('a', 1), put('b', 1)], { sender });
      const head = formatPosition(suite.log.view.position());
      const second = await submit(suite.log, [put('a', 1), put('b', 1)], { sender });
      assert.deepEqual(second.outcomes, first.outcomes);
      assert.equal(formatPosition(suite.log.view.position()), head);
    });

    suite.each('only as many answers are remembered as the setting says', async () => {
      await suite.log.close();
      suite.log = await suite.probe.open((defaults) => ({
        ...defaults,
        idempotency: { countMax: 10, ageMaxMs: 1000 },
      }));
      for (let index = 0; index < 15; index += 1)
        await one(suite.log, put('a', index, { idempotencyKey: `k${index}` }));
      assert.equal((await one(suite.log, put('a', 'new', { idempotencyKey: 'k0' }))).outcome, 'applied');
      const remembered = await one(suite.log, put('a', 'new', { idempotencyKey: 'k14' }));
      assert.equal(remembered.outcome === 'refused' && remembered.code, 'idempotency-mismatch');
    });
  });

  describe('leases', () => {
    suite.each('one holder at a time, a greater fence with every change of hands', async () => {
      const first = await suite.log.leases.acquire('sink', 'n1', 1000);
      assert.equal(await suite.log.leases.acquire('sink', 'n2', 1000), undefined);
      assert.equal((await suite.log.leases.acquire('sink', 'n1', 1000))?.fence, first?.fence);
      suite.probe.clock.advance(1001);
      const second = await suite.log.leases.acquire('sink', 'n2', 1000);
      assert.ok(first && second && second.fence > first.fence);
      assert.equal(await first.renew(), false);
      assert.equal(await second.renew(), true);
    });

    suite.each('a batch under an old fence is refused and changes nothing', async () => {
      const first = await suite.log.leases.acquire('sink', 'n1', 1000);
      await submit(suite.log, [put('a', 1)], { fence: { lease: 'sink', number: first?.fence as number } });
      await first?.release();
      await suite.log.leases.acquire('sink', 'n2', 1000);
      assert.equal(
        await code(submit(suite.log, [put('a', 2)], { fence: { lease: 'sink', number: first?.fence as number } })),
        'conflict',
      );
      assert.equal(jsonOf(suite.log, 'a'), 1);
    });

    suite.each('fences go on growing after a restart', async () => {
      const before = await suite.log.leases.acquire('sink', 'n1', 1000);
      suite.log = await suite.probe.reopen();
      const after = await suite.log.leases.acquire('sink', 'n1', 1000);
      assert.ok(before && after && after.fence > before.fence);
    });
  });

  describe('dead letters', () => {
    const letter = (text: string, source = 'ems') => ({
      source,
      coordinates: { offset: text },
      reason: { code: 'invalid-json' as const, message: 'no JSON' },
      message: Buffer.from(text),
      headers: { h: '1' },
    });

    suite.each('are made in the same step as the changes, listed oldest first, by source, in pages', async () => {
      await submit(suite.log, [put('a', 1)], {
        deadLetters: { add: [letter('1'), letter('2', 'other'), letter('3')] },
      });
      suite.log = await suite.probe.reopen();
      const page = suite.log.deadLetters.list({ limit: 2 });
      assert.deepEqual(
        page.deadLetters.map(({ message }) => message.toString()),
        ['1', '2'],
      );
      const rest = suite.log.deadLetters.list({ limit: 2, after: page.next as string });
      assert.deepEqual(
        rest.deadLetters.map(({ message }) => message.toString()),
        ['3'],
      );
      assert.equal(suite.log.deadLetters.list({ limit: 10, source: 'other' }).deadLetters.length, 1);
      const [first] = page.deadLetters;
      assert.deepEqual(suite.log.deadLetters.get(first?.id as string), first);
    });

    suite.each('are made of the messages whose commands are refused, here or when they are decided', async () => {
      const unread = { outcome: 'refused', code: 'event-invalid', message: 'no type' } as const;
      const ahead = { updated: moment(suite.probe.clock.nowMicros() + 7200 * SECOND) };
      const commands = [put('a', 1), unread, put('b', 1), put('c', 1, ahead), put('d', 1), put('d', 2, ahead)];
      const message = (from: number, to: number) => {
        const { reason, ...rest } = letter(`${from}`);
        return { from, to, letter: rest };
      };
      const ifRefused = [message(0, 1), message(1, 2), message(2, 4), message(4, 6)];
      const { outcomes } = await submit(suite.log, commands, {
        deadLetters: { add: [letter('first')], ifRefused },
        progress: { source: 's', sourcePartition: '0', expected: null, next: '6' },
      });
      assert.deepEqual(
        outcomes.map(({ outcome }) => outcome),
        ['applied', 'refused', 'applied', 'refused', 'applied', 'refused'],
      );
      const of = () => suite.log.deadLetters.list({ limit: 10 }).deadLetters;
      assert.deepEqual(
        of().map(({ message: text, reason }) => [text.toString(), reason.code]),
        [
          ['first', 'invalid-json'],
          ['1', 'event-invalid'],
          ['2', 'updated-in-future'],
          ['4', 'updated-in-future'],
        ],
      );
      const lost = submit(suite.log, [unread], {
        deadLetters: { ifRefused: [message(0, 1)] },
        progress: { source: 's', sourcePartition: '0', expected: null, next: '7' },
      });
      assert.equal(await code(lost), 'progress-mismatch');
      assert.equal(of().length, 4);
    });

    suite.each('count their replays and are dropped by a batch', async () => {
      await submit(suite.log, [], { deadLetters: { add: [letter('1'), letter('2')] } });
      const [first, second] = suite.log.deadLetters.list({ limit: 2 }).deadLetters;
      await submit(suite.log, [put('a', 1)], {
        deadLetters: { countReplay: [first?.id as string], drop: [second?.id as string] },
      });
      assert.equal(suite.log.deadLetters.get(first?.id as string)?.replays, 1);
      assert.equal(suite.log.deadLetters.get(second?.id as string), undefined);
      assert.equal(suite.log.deadLetters.counts().held, 1);
    });

    suite.each('are bounded: the oldest go and are counted', async () => {
      await suite.log.close();
      suite.log = await suite.probe.open((defaults) => ({
        ...defaults,
        deadLetters: { ...defaults.deadLetters, countMax: 3 },
      }));
      for (let index = 0; index < 6; index += 1)
        await submit(suite.log, [], { deadLetters: { add: [letter(String(index))] } });
      const { held, dropped } = suite.log.deadLetters.counts();
      assert.deepEqual([held, dropped], [3, 3]);
      assert.equal(suite.log.deadLetters.list({ limit: 1 }).deadLetters[0]?.message.toString(), '3');
    });
  });
}

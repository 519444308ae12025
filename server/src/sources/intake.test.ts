import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { MemoryLog } from '../../../test/support/memory-log.ts';
import type { Command, Refusal } from '../commands/command.ts';
import type { Format } from '../formats/format.ts';
import type { Batch } from '../log/log.ts';
import { type Arrival, Intake } from './intake.ts';

/** Each line is `KEY=VALUE`, `*PATTERN` (removes), or what can't be read. */
const FORMAT: Format = {
  kind: 'lines',
  decode({ body }) {
    return body
      .toString()
      .split('\n')
      .map((line): Command | Refusal => {
        if (line.startsWith('*')) return { op: 'removeMatching', pattern: line.slice(1) };
        const [key, value] = line.split('=');
        if (key === undefined || value === undefined)
          return { outcome: 'refused', code: 'event-invalid', message: 'no =' };
        return { op: 'put', key, value: { kind: 'text', data: value, contentType: 'text/plain' } };
      });
  },
};

const arrival = (text: string, offset = text): Arrival => ({
  message: { body: Buffer.from(text), headers: { h: '1' } },
  coordinates: { at: offset },
  offset,
});

/** A log whose steps hold three commands, and none that removes by pattern. */
class SmallLog extends MemoryLog {
  override async submit(batch: Batch) {
    const mustFit = batch.fence ?? batch.progress ?? batch.deadLetters;
    const isBig = batch.commands.length > 3 || batch.commands.some((each) => 'op' in each && each.op !== 'put');
    if (mustFit !== undefined && isBig) throw new LatchkeyError('batch-too-big', 'too big');
    return super.submit(batch);
  }
}

describe('the intake of a source', () => {
  let log: MemoryLog;
  const faults: LatchkeyError[] = [];
  let onFault: (error: LatchkeyError) => Promise<'again' | 'stop'>;
  const intake = () =>
    new Intake({
      source: { name: 's', kind: 'redis-pubsub' },
      log,
      format: FORMAT,
      onFault: (error) => onFault(error),
    });
  const letters = () =>
    log.deadLetters.list({ limit: 10 }).deadLetters.map(({ coordinates, message, reason, source }) => ({
      source,
      at: coordinates.at,
      text: message.toString(),
      code: reason.code,
    }));

  beforeEach(() => {
    log = new MemoryLog();
    faults.length = 0;
    onFault = async (error) => {
      faults.push(error);
      return 'again';
    };
  });

  test('takes many messages in one step, with the fence and the progress of the last one', async () => {
    const fence = { lease: 'source:s', number: 7 };
    const taken = await intake().take([arrival('a=1', '1'), arrival('b=1\nc=1', '2')], {
      fence,
      progress: { sourcePartition: 'p', expected: null },
    });
    assert.equal(log.batches.length, 1);
    assert.deepEqual(log.batches[0]?.fence, fence);
    assert.deepEqual(await log.progress('s'), { p: '2' });
    assert.deepEqual(
      taken.map(({ outcomes }) => outcomes.map(({ outcome }) => outcome)),
      [['applied'], ['applied', 'applied']],
    );
    assert.equal(log.view.get('a')?.origin, 'redis-pubsub:s');
  });

  test('makes a dead letter of what can not be read, in the step of the others, and stops at nothing', async () => {
    const one = intake();
    await one.take([arrival('a=1'), arrival('poison'), arrival('b=1\nworse'), arrival('c=1')]);
    assert.equal(log.batches.length, 1);
    assert.deepEqual(letters(), [
      { source: 's', at: 'poison', text: 'poison', code: 'event-invalid' },
      { source: 's', at: 'b=1\nworse', text: 'b=1\nworse', code: 'event-invalid' },
    ]);
    assert.deepEqual(one.counts, { applied: 3, deadLettered: 2 });
  });

  test('halves what no step holds, keeps the order, and moves the progress with each half', async () => {
    log = new SmallLog();
    const arrivals = ['1', '2', '3', '4', '5', '6', '7'].map((number) => arrival(`k=${number}`, number));
    await intake().take(arrivals, { progress: { sourcePartition: 'p', expected: null } });
    const steps = log.batches.map(({ commands, progress }) => [commands.length, progress?.expected, progress?.next]);
    assert.deepEqual(steps, [
      [2, null, '2'],
      [2, '2', '4'],
      [3, '4', '7'],
    ]);
    assert.equal(String(log.view.get('k')?.value?.data), '7');
  });

  test('a single message that no step holds is a dead letter', async () => {
    log = new SmallLog();
    await intake().take([arrival('a=1'), arrival('a=1\nb=2\nc=3\nd=4', 'big'), arrival('e=5')], {
      progress: { sourcePartition: 'p', expected: null },
    });
    assert.deepEqual(letters(), [{ source: 's', at: 'big', text: 'a=1\nb=2\nc=3\nd=4', code: 'batch-too-big' }]);
    assert.equal(log.view.get('d'), undefined);
    assert.equal(String(log.view.get('e')?.value?.data), '5');
    assert.deepEqual(await log.progress('s'), { p: 'e=5' });
  });

  test('what removes more keys than a step holds takes several, and then moves the progress', async () => {
    log = new SmallLog();
    await intake().take([arrival('a=1'), arrival('**', 'all'), arrival('b=1', 'last')], {
      progress: { sourcePartition: 'p', expected: null },
    });
    assert.deepEqual(letters(), []);
    assert.equal(log.view.get('a')?.op, 'remove');
    assert.deepEqual(await log.progress('s'), { p: 'last' });
  });

  test('waits over faults of the log, and loses nothing', async () => {
    log.fault = new LatchkeyError('overloaded', 'much to do', { retryAfter: 1 });
    onFault = async (error) => {
      faults.push(error);
      if (faults.length === 3) log.fault = undefined;
      return 'again';
    };
    await intake().take([arrival('a=1')]);
    assert.equal(faults.length, 3);
    assert.equal(log.batches.length, 1);
  });

  test('stops where it is told to, and says what was taken', async () => {
    log.fault = new LatchkeyError('not-ready', 'away', { retryAfter: 1 });
    onFault = async () => 'stop';
    assert.deepEqual(await intake().take([arrival('a=1')]), []);
  });

  test('a progress that is elsewhere is for the source to know', async () => {
    const turn = { progress: { sourcePartition: 'p', expected: '9' } };
    await assert.rejects(intake().take([arrival('a=1')], turn), { code: 'progress-mismatch' });
  });
});

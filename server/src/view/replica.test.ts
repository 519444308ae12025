import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import type { Change } from '../shared/change.ts';
import { LmdbView } from './lmdb.ts';
import type { Placed } from './view.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const ALL = { changesMax: 1e6, bytesMax: 1e9, skipSuperseded: false, skipRemoves: false };

describe('a view of a log that is kept elsewhere', () => {
  const clock = new ManualClock();
  let directory: string;
  let view: LmdbView;

  const open = (owner = 'redis main', changesMax = 1000) =>
    LmdbView.open({
      ...{ directory, clock, owner, epochs: owner === 'local' ? 'opening' : 'log' },
      settings: { ...DEFAULT_SETTINGS, history: { ...DEFAULT_SETTINGS.history, changesMax } },
      reportFault: (_stage, error) => assert.fail(String(error)),
    });

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'latchkey-replica-'));
    view = await open();
  });

  afterEach(async () => {
    await view.close();
    await rm(directory, { recursive: true, force: true });
  });

  const change = (key: string, offset: number, more: Partial<Change> = {}): Placed => {
    const before = view.before(key);
    const value = more.op === 'remove' ? undefined : { kind: 'json' as const, data: String(offset) };
    const place = { key, partition: 0, offset, previous: before?.offset ?? 0, valueOffset: offset };
    return {
      change: { op: 'put', value, updated: { micros: offset }, decided: clock.micros, ...place, ...more },
      before,
    };
  };
  const nowMicros = clock.micros;
  const keysFrom = (after: number) =>
    view.scan(0, after, { ...ALL, until: view.head(0) }).changes.map(({ key }) => key);

  test('has a nameless epoch until the log tells it one, and keeps what it was told', async () => {
    assert.equal(view.epochs.current, '0000');
    const epochs = [{ id: 'aaaa', first: [1] }];
    await view.apply({ placed: [change('a', 1)], nowMicros, epochs });
    await view.close();
    view = await open();
    assert.deepEqual([view.epochs.list(), view.position().components], [epochs, [{ offset: 1 }]]);
  });

  test('belongs to one log: another is refused, and nothing is changed', async () => {
    await view.apply({ placed: [change('a', 1)], nowMicros, epochs: [{ id: 'aaaa', first: [1] }] });
    await view.close();
    await assert.rejects(open('local'), {
      code: 'config-invalid',
      message: /belongs to the log redis main, not to local/,
    });
    await assert.rejects(open('redis other'), { code: 'config-invalid' });
    view = await open();
    assert.equal(view.epochs.list().length, 1);
  });

  test('goes on over offsets without a change, which the window knows', async () => {
    await view.close();
    view = await open('redis main', 3);
    for (let offset = 1; offset <= 20; offset += 3) {
      await view.apply({ placed: [change('a', offset)], nowMicros });
      await view.apply({ placed: [], nowMicros, head: offset + 2 });
    }
    assert.deepEqual([view.head(0), view.historyFloor(0)], [21, 18]);
    assert.deepEqual(
      view.scan(0, 0, { ...ALL, until: 21 }).changes.map(({ offset }) => offset),
      [19],
    );
  });

  test('is filled with holes: readers see the head where it was until the end, and are then told that they missed some', async () => {
    await view.apply({ placed: [change('a', 1), change('b', 2)], nowMicros });
    await view.apply({ placed: [change('a', 3)], nowMicros });
    let skipped = 0;
    view.onSkipped(() => {
      skipped += 1;
    });
    view.onDurable(() => assert.fail('changes that were filled are not told one by one'));
    await view.apply({ placed: [change('a', 10), change('c', 12)], nowMicros, fill: 'more' });
    assert.deepEqual([view.head(0), skipped, view.get('a')?.offset], [3, 0, 10]);
    await view.apply({ placed: [change('d', 20)], nowMicros, fill: 'last', head: 25 });
    assert.deepEqual([view.head(0), skipped, view.historyFloor(0)], [25, 1, 25]);
    assert.deepEqual(keysFrom(0), ['b', 'a', 'c', 'd']);
    assert.equal(view.counts().keys, 4);
  });

  test('drops the tombstones up to an offset, all of one moment together', async () => {
    await view.apply({ placed: [change('a', 1), change('b', 2), change('c', 3)], nowMicros });
    await view.apply({ placed: [change('b', 4, { op: 'remove' }), change('a', 5, { op: 'remove' })], nowMicros });
    const later = clock.micros + 8 * DAY_MS * 1000;
    const found = view.collectable(later, 1);
    assert.deepEqual(found, [
      { key: 'a', offset: 5 },
      { key: 'b', offset: 4 },
    ]);
    await view.apply({ placed: [], nowMicros: later, collectTo: 5, head: 6 });
    assert.deepEqual([view.tombstoneFloor(0), view.get('a'), view.get('c')?.offset], [5, undefined, 3]);
  });

  test('is emptied in one transaction, and goes on in another epoch', async () => {
    await view.apply({ placed: [change('a', 1, { expires: clock.micros + 1 }), change('b', 2)], nowMicros });
    const ledger = view.table('ledger');
    await view.apply({ placed: [], nowMicros, also: () => ledger.put(Buffer.from('old'), Buffer.from('1')) });
    let skipped = 0;
    view.onSkipped(() => {
      skipped += 1;
    });
    await view.reset([{ id: 'bbbb', first: [1] }], () => ledger.put(Buffer.from('new'), Buffer.from('1')));
    assert.deepEqual([view.head(0), view.epochs.current, skipped], [0, 'bbbb', 1]);
    assert.deepEqual(
      [view.get('a'), view.counts(), view.nextDueMicros()],
      [undefined, { keys: 0, bytes: 0 }, undefined],
    );
    assert.deepEqual([ledger.get(Buffer.from('old')), ledger.get(Buffer.from('new'))?.toString()], [undefined, '1']);
    await view.apply({ placed: [change('c', 5)], nowMicros, fill: 'last' });
    await view.close();
    view = await open();
    assert.deepEqual([view.head(0), keysFrom(0), view.epochs.current], [5, ['c'], 'bbbb']);
  });
});

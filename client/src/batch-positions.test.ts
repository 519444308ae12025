import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { batchPositions } from './batch-positions.ts';
import type { Change } from './entry.ts';
import { formatPosition, parsePosition } from './position.ts';

const change = (version: string): Change => ({ op: 'put', key: 'k', version, updated: 'x' });

describe('positions inside a frame', () => {
  test('with one partition only the offset moves: live, in a snapshot, without a hash, and of an older epoch', () => {
    const changes = [change('aaaa.3'), change('bbbb.7')];
    assert.deepEqual(batchPositions('aaaa.1;abc123', changes, 'bbbb.7;abc123'), ['bbbb.3;abc123', 'bbbb.7;abc123']);
    assert.deepEqual(batchPositions('start', changes, 'bbbb.7~9;abc123'), ['bbbb.3~9;abc123', 'bbbb.7~9;abc123']);
    assert.deepEqual(batchPositions('aaaa.1', [change('bbbb.7')], 'bbbb.7'), ['bbbb.7']);
  });

  test('with several, each change moves its own partition and leaves the others where they were', () => {
    const changes = [change('aaaa.0-5'), change('aaaa.2-8'), change('aaaa.0-6')];
    assert.deepEqual(batchPositions('aaaa.0-4,1-9,2-7;abc123', changes, 'aaaa.0-6,1-9,2-8;abc123'), [
      'aaaa.0-5,1-9,2-7;abc123',
      'aaaa.0-5,1-9,2-8;abc123',
      'aaaa.0-6,1-9,2-8;abc123',
    ]);
    assert.deepEqual(batchPositions('aaaa.0-4~9,1-9', [change('aaaa.0-5'), change('aaaa.0-9')], 'aaaa.0-9~9,1-9'), [
      'aaaa.0-5~9,1-9',
      'aaaa.0-9~9,1-9',
    ]);
  });

  test('none is after the place it stands for, the last is the frame’s own, and each is a position', () => {
    const partitions = fc.integer({ min: 1, max: 5 });
    const steps = fc.array(fc.tuple(fc.nat({ max: 4 }), fc.integer({ min: 1, max: 9 })), {
      minLength: 1,
      maxLength: 20,
    });
    fc.assert(
      fc.property(partitions, steps, (count, moves) => {
        const offsets = Array.from({ length: count }, () => 1);
        const position = () =>
          formatPosition({ epoch: 'aaaa', components: offsets.map((offset) => ({ offset })), filterHash: 'abc123' });
        const before = position();
        const truth: string[] = [];
        const changes = moves.map(([move, by]) => {
          const partition = move % count;
          offsets[partition] = (offsets[partition] as number) + by;
          truth.push(position());
          return change(count === 1 ? `aaaa.${offsets[0]}` : `aaaa.${partition}-${offsets[partition]}`);
        });
        const found = batchPositions(before, changes, position());
        assert.deepEqual(found, truth);
        for (const text of found) parsePosition(text);
      }),
      { verbose: true },
    );
  });
});

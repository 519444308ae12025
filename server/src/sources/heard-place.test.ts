import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatPlace, parsePlace, takenOf, trailAfter } from './heard-place.ts';
import type { Heard } from './inbox.ts';

const heard = (...texts: readonly string[]) =>
  texts.map((text, micros) => ({ kind: 'message', channel: 'c', body: Buffer.from(text), micros }) as const);
const gap: Heard = { kind: 'gap', from: 1, to: 2, reason: 'away' };

describe('the place of what was heard', () => {
  test('is text that can be read again; what else stands there is none', () => {
    const place = { micros: 1_700_000_000_000_000, trail: trailAfter([], heard('a', 'b')) };
    assert.deepEqual(parsePlace(formatPlace(place)), place);
    assert.deepEqual(parsePlace(formatPlace({ micros: 1, trail: [] })), { micros: 1, trail: [] });
    for (const text of [undefined, '', 'x', '1', ':a', '-1:a']) assert.equal(parsePlace(text), undefined);
  });

  test('tells whoever heard the same what came after it', () => {
    const trail = trailAfter(trailAfter([], heard('a', 'b', 'c')), heard('d'));
    assert.equal(takenOf(trail, heard('a', 'b', 'c', 'd', 'e', 'f')), 4);
    assert.equal(takenOf(trail, heard('c', 'd', 'e')), 2, 'who came later heard only the end of it');
    assert.equal(takenOf(trail, heard('d')), 1);
    assert.equal(takenOf(trail, [...heard('x'), gap, ...heard('a', 'b', 'c', 'd'), gap]), 6);
    assert.equal(takenOf(trail, [...heard('a'), gap, ...heard('d', 'e')]), 3, 'who missed some of it');
    assert.equal(
      takenOf(trail, [...heard('a', 'b'), gap, ...heard('c', 'd', 'e')]),
      5,
      'entries are counted, gaps too',
    );
  });

  test('is not found where the last message was not heard, or came after others', () => {
    const trail = trailAfter([], heard('a', 'b', 'c', 'd'));
    assert.equal(takenOf(trail, heard('e', 'f')), undefined);
    assert.equal(takenOf(trail, heard('a', 'b', 'c')), undefined);
    assert.equal(takenOf(trail, heard('x', 'y', 'd')), undefined);
    assert.equal(takenOf([], heard('a')), undefined);
  });

  test('of places that look alike it is the last', () => {
    const trail = trailAfter([], heard('a', 'a', 'a'));
    assert.equal(takenOf(trail, heard('a', 'a', 'a', 'a', 'b')), 4);
  });

  test('a message of another channel is another message', () => {
    const trail = trailAfter([], heard('a'));
    const [first] = heard('a');
    assert.ok(first !== undefined);
    assert.equal(takenOf(trail, [{ ...first, channel: 'd' }]), undefined);
  });
});

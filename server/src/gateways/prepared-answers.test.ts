import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PreparedAnswer, PreparedAnswers } from './prepared-answers.ts';

const answer = (offset: number): PreparedAnswer => ({
  offset,
  etag: '',
  headers: [],
  notModified: [],
  body: '',
  head: offset,
});

test('prepared answers are bounded, and those that are asked for stay', () => {
  const answers = new PreparedAnswers(10);
  for (let offset = 1; offset <= 1000; offset += 1) {
    answers.set(`k${offset}`, answer(offset));
    assert.equal(answers.get('k1')?.offset, 1);
    assert.equal(answers.get(`k${offset}`)?.offset, offset);
    assert.ok(answers.size <= 20);
  }
  assert.equal(answers.get('k500'), undefined);
  answers.clear();
  assert.equal(answers.size, 0);
});

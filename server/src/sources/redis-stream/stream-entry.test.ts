import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arrivalOf, compareIds, entriesOfReply } from './stream-entry.ts';

const bytes = (...texts: readonly string[]) => texts.map((text) => Buffer.from(text));

test('ids are compared as numbers of any size', () => {
  const ids = ['0-0', '9-1', '10-0', '10-2', '10-10', '1700000000000-0', '18446744073709551615-18446744073709551615'];
  for (const [index, id] of ids.entries())
    for (const [other, otherId] of ids.entries())
      assert.equal(Math.sign(compareIds(id, otherId)), Math.sign(index - other));
});

test('what was deleted is no entry', () => {
  const reply = [null, [Buffer.from('1-1'), null], [Buffer.from('2-1'), bytes('a', '1')]];
  assert.deepEqual(
    entriesOfReply(reply).map(({ id }) => id),
    ['2-1'],
  );
  assert.deepEqual(entriesOfReply(null), []);
});

test('the message is a field, or all of them as an object of texts', () => {
  const fields = [bytes('a', '1'), bytes('b"', 'x\ny'), bytes('a', '2')] as unknown as [Buffer, Buffer][];
  const entry = { id: '5-1', fields };
  assert.equal(arrivalOf(entry, 's', '').message.body.toString(), '{"a":"2","b\\"":"x\\ny"}');
  assert.equal(arrivalOf(entry, 's', 'a').message.body.toString(), '2');
  const { coordinates, message, offset, refusal } = arrivalOf(entry, 's', 'a');
  assert.deepEqual([coordinates, offset, refusal], [{ stream: 's', id: '5-1' }, '5-1', undefined]);
  assert.deepEqual([message.recordKey, message.headers], ['s', { 'redis-stream-id': '5-1' }]);
});

test('an entry without the field, and one that can’t be an object, are refused with what they had', () => {
  const entry = { id: '5-1', fields: [bytes('a', '1') as unknown as [Buffer, Buffer]] };
  const without = arrivalOf(entry, 's', 'payload');
  assert.match(String(without.refusal?.message), /no field payload/);
  assert.equal(without.message.body.toString(), '{"a":"1"}');
  const binary = { id: '5-1', fields: [[Buffer.from('a'), Buffer.from([0xff])]] as unknown as [Buffer, Buffer][] };
  assert.match(String(arrivalOf(binary, 's', '').refusal?.message), /no UTF-8/);
  assert.equal(arrivalOf(binary, 's', 'a').refusal, undefined);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entryTimeFormat, timeOfEntry } from './entry-time.ts';
import { ENTRY_ID_HEADER } from './format.ts';
import { makeFormat } from './format-kinds.ts';

const limits = { keyBytesMax: 100, valueBytesMax: 1000, bodyBytesMax: 1000 } as const;

test('an id that is a time says when, entries of one millisecond in their order, and other ids say nothing', () => {
  assert.equal(timeOfEntry('1700000000000-0')?.micros, 1_700_000_000_000_000);
  assert.equal(timeOfEntry('1700000000000-7')?.micros, 1_700_000_000_000_007);
  assert.equal(timeOfEntry('1700000000000-5000')?.micros, 1_700_000_000_000_999);
  for (const id of ['1-0', '1700000000000000-0', '18446744073709551615-1', 'x', undefined])
    assert.equal(timeOfEntry(id), undefined, String(id));
});

test('a command that says when it was true keeps that', () => {
  const format = entryTimeFormat(makeFormat({ kind: 'command' }, limits as never));
  const decode = (body: string, id = '1700000000000-1') =>
    format.decode({ body: Buffer.from(body), headers: { [ENTRY_ID_HEADER]: id } });
  const micros = (body: string, id?: string) => {
    const [command] = decode(body, id);
    return command !== undefined && 'updated' in command ? command.updated?.micros : undefined;
  };
  assert.equal(micros('{"op":"put","key":"a","value":1}'), 1_700_000_000_000_001);
  assert.equal(micros('{"op":"remove","key":"a"}'), 1_700_000_000_000_001);
  assert.equal(micros('{"op":"put","key":"a","value":1,"updated":"2020-01-01T00:00:00Z"}'), 1_577_836_800_000_000);
  assert.equal(micros('{"op":"put","key":"a","value":1}', '1-1'), undefined);
  assert.equal(micros('{"op":"expire","key":"a","ttl":5}'), undefined);
  assert.equal((decode('{')[0] as { outcome: string }).outcome, 'refused');
});

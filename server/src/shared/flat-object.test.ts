import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flatFields, refuseNotFlat } from './flat-object.ts';

test('the fields of a flat object are texts without their quotes and the JSON text of everything else', () => {
  assert.deepEqual(
    [...(flatFields(' {"a":"x\\n\\u00e9","b": 1.0 ,"c":true,"d":null,"e":12345678901234567890,"":""} ') ?? [])],
    [
      ['a', 'x\né'],
      ['b', '1.0'],
      ['c', 'true'],
      ['d', 'null'],
      ['e', '12345678901234567890'],
      ['', ''],
    ],
  );
  assert.deepEqual([...(flatFields('{"a":1,"a":2}') ?? [])], [['a', '2']]);
  assert.equal(flatFields('{}')?.size, 0);
});

test('what is no flat object is refused for a hash', () => {
  for (const data of ['[1]', '"x"', '1', '{"a":{}}', '{"a":[]}', '{"a":1,"b":[{}]}', '{}'])
    assert.equal(refuseNotFlat({ kind: 'json', data })?.code, 'not-flat', data);
  assert.equal(refuseNotFlat({ kind: 'text', data: '{}', contentType: 'text/plain' })?.code, 'not-flat');
  assert.equal(refuseNotFlat({ kind: 'json', data: '{"a":1}' }), undefined);
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Change } from './change.ts';
import { changeJson, entryJson } from './encode-change.ts';
import { EpochTable } from './epochs.ts';

const epochs = new EpochTable([
  { id: 'old1', first: [1] },
  { id: 'k3x9', first: [1000] },
]);

const put: Change = {
  op: 'put',
  key: 'sensor.1',
  partition: 0,
  offset: 1042,
  previous: 0,
  valueOffset: 1042,
  value: { kind: 'json', data: '{"temp":21.50,"big":12345678901234567890}' },
  updated: { micros: 1_795_176_000_000_000, text: '2026-11-20 12:00:00' },
  decided: 1_795_176_000_000_000,
  origin: 'http:127.0.0.1:5000',
};

describe('changeJson', () => {
  it('keeps the text of a JSON value and of a moment, and leaves out what is absent, the origin always', () => {
    assert.equal(
      changeJson(put, epochs, true),
      '{"op":"put","key":"sensor.1","value":{"temp":21.50,"big":12345678901234567890},"version":"k3x9.1042","updated":"2026-11-20 12:00:00"}',
    );
  });

  it('names the reason of a removal, and formats moments that had no text', () => {
    const { value: _, ...rest } = put;
    const removed: Change = { ...rest, op: 'remove', offset: 17, reason: 'expired', updated: { micros: 1_500_000 } };
    assert.equal(
      changeJson(removed, epochs, true),
      '{"op":"remove","key":"sensor.1","version":"old1.17","reason":"expired","updated":"1970-01-01T00:00:01.500Z"}',
    );
  });

  it('shows text as a string and bytes as base64, with their content types', () => {
    const text: Change = {
      ...put,
      op: 'stale',
      key: 'a"b',
      value: { kind: 'text', data: 'x\n"y"', contentType: 'text/plain' },
    };
    assert.deepEqual(JSON.parse(changeJson(text, epochs, true)), {
      op: 'stale',
      key: 'a"b',
      value: 'x\n"y"',
      version: 'k3x9.1042',
      updated: '2026-11-20 12:00:00',
      contentType: 'text/plain',
    });
    const bytes: Change = { ...put, value: { kind: 'binary', data: Buffer.from([0, 255]), contentType: 'image/png' } };
    const { value, encoding, contentType } = JSON.parse(changeJson(bytes, epochs, true));
    assert.deepEqual([value, encoding, contentType], ['AP8=', 'base64', 'image/png']);
  });

  it('never reads a value that is not asked for', () => {
    const lazy = Object.defineProperty({ ...put }, 'value', { get: () => assert.fail('the value was read') });
    assert.doesNotMatch(changeJson(lazy, epochs, false), /value|contentType/);
    assert.doesNotMatch(entryJson(lazy, epochs, 0, { withValues: false }), /value|contentType/);
  });

  it('stays on one line whatever the value, so that it can stand in an event stream', () => {
    const pretty: Change = { ...put, value: { kind: 'json', data: '{\n\r\n  "a": "x\\ny"\n}' } };
    const json = changeJson(pretty, epochs, true);
    assert.doesNotMatch(json, /[\r\n]/);
    assert.deepEqual(JSON.parse(json).value, { a: 'x\ny' });
  });

  it('names the partition in versions where the log has several', () => {
    const many = new EpochTable([{ id: 'k3x9', first: [1, 1] }]);
    assert.match(changeJson({ ...put, partition: 1 }, many, true), /"version":"k3x9\.1-1042"/);
  });
});

describe('entryJson', () => {
  it('carries the origin, and says stale only once `valid` has passed', () => {
    const entry: Change = { ...put, valid: { micros: 2_000_000 }, expires: 3_000_000 };
    assert.equal(
      entryJson({ ...entry, value: { kind: 'json', data: '1' } }, epochs, 2_000_000),
      '{"key":"sensor.1","value":1,"version":"k3x9.1042","updated":"2026-11-20 12:00:00","valid":"1970-01-01T00:00:02Z","expires":"1970-01-01T00:00:03Z","stale":true,"origin":"http:127.0.0.1:5000"}',
    );
    assert.doesNotMatch(entryJson(entry, epochs, 1_999_999), /stale/);
    assert.match(entryJson({ ...put, op: 'stale' }, epochs, 0), /"stale":true/);
  });
});

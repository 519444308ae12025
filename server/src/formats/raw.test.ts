import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import { makeFormat } from './format-kinds.ts';
import { type RawFormatSettings, rawFormat } from './raw.ts';

const limits = { ...DEFAULT_SETTINGS.limits, valueBytesMax: 20 };
const decode = (
  settings: RawFormatSettings,
  body: string | Buffer,
  recordKey?: string,
  headers?: Record<string, string>,
) =>
  rawFormat(settings, limits).decode({
    body: Buffer.from(body as string),
    ...(recordKey === undefined ? {} : { recordKey }),
    ...(headers === undefined ? {} : { headers }),
  })[0];

test('a body is stored as it is under the message’s own key', () => {
  assert.deepEqual(decode({}, '{"a" :1.0}', 'k'), { op: 'put', key: 'k', value: { kind: 'json', data: '{"a" :1.0}' } });
  assert.deepEqual(decode({}, 'hello', 'k'), {
    op: 'put',
    key: 'k',
    value: { kind: 'text', data: 'hello', contentType: 'text/plain' },
  });
  const binary = { kind: 'binary', data: Buffer.from([255]), contentType: 'application/octet-stream' };
  assert.deepEqual(decode({}, Buffer.from([255]), 'k'), { op: 'put', key: 'k', value: binary });
});

test('a template goes around the key, a content type of the settings or the headers says what bodies are', () => {
  const text = { kind: 'text', data: '1', contentType: 'text/csv' };
  assert.deepEqual(decode({ key: 'x:{$key}', contentType: 'text/csv' }, '1', 'k'), {
    op: 'put',
    key: 'x:k',
    value: text,
  });
  assert.deepEqual(decode({ key: 'latest' }, '1', undefined, { 'content-type': 'text/csv' }), {
    op: 'put',
    key: 'latest',
    value: text,
  });
});

test('what can not be stored is refused', () => {
  for (const [decoded, code] of [
    [decode({}, '1'), 'event-invalid'],
    [decode({}, '1', ''), 'key-invalid'],
    [decode({}, '1', 'a\u0000'), 'key-invalid'],
    [decode({ contentType: 'application/json' }, '{', 'k'), 'invalid-json'],
    [decode({}, 'x'.repeat(21), 'k'), 'value-too-big'],
  ] as const) {
    assert.equal(decoded !== undefined && 'outcome' in decoded && decoded.code, code);
  }
});

test('settings that can not work are told at once', () => {
  const invalid = (error: unknown) => error instanceof LatchkeyError && error.code === 'config-invalid';
  assert.throws(() => rawFormat({ key: '{id}' }, limits), invalid);
  assert.throws(() => rawFormat({ contentType: 'nonsense' }, limits), invalid);
});

test('every kind of format is made by its name', () => {
  for (const settings of [
    { kind: 'command' },
    { kind: 'kvupdater' },
    { kind: 'cache-event' },
    { kind: 'kv-store' },
    { kind: 'json', key: '{id}' },
    { kind: 'raw' },
  ] as const) {
    assert.equal(makeFormat(settings, limits).kind, settings.kind);
  }
});

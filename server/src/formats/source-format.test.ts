import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RedisPubsubSettings } from '../config/flow-settings.ts';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import { compileGlob } from '../shared/glob.ts';
import { type SourceFormatSettings, sourceFormat, sourceFormats } from './source-format.ts';

const LIMITS = DEFAULT_SETTINGS.limits;

function decoded(settings: Partial<SourceFormatSettings>, message: unknown) {
  const format = sourceFormat(
    { format: { kind: 'command' }, keyPrefix: '', late: 'refuse', recordEqual: false, ...settings },
    LIMITS,
  );
  return format.decode({ body: Buffer.from(JSON.stringify(message)) });
}

describe('the format of a source', () => {
  test('puts keyPrefix before the key of every command, and before a pattern as plain text', () => {
    const keyPrefix = 'a*[x]:';
    const commands = decoded({ keyPrefix }, [
      { op: 'put', key: 'k', value: 1 },
      { op: 'remove', key: 'k' },
      { op: 'removeMatching', pattern: 'k*' },
    ]);
    assert.deepEqual(
      commands.map((command) => ('key' in command ? command.key : undefined)),
      ['a*[x]:k', 'a*[x]:k', undefined],
    );
    const removal = commands[2] as { readonly pattern: string };
    assert.ok(compileGlob(removal.pattern).matches('a*[x]:k1'));
    assert.ok(!compileGlob(removal.pattern).matches('ab[x]:k1'));
  });

  test('refuses a key that is too long only with its prefix', () => {
    const key = 'k'.repeat(LIMITS.keyBytesMax);
    const [without] = decoded({}, { op: 'put', key, value: 1 });
    const [prefixed] = decoded({ keyPrefix: 'p' }, { op: 'put', key, value: 1 });
    assert.ok(without !== undefined && 'op' in without);
    assert.ok(prefixed !== undefined && 'outcome' in prefixed && prefixed.code === 'key-too-long');
  });

  test('takes messages in the order of arrival and records equal ones where it is told to, in every format', () => {
    const message = { type: 'k', key: 'k', Key: 'k', Value: 'v', values: { a: 1 }, op: 'put', value: 1 };
    const put = (settings: Partial<SourceFormatSettings>, text: unknown = message) => decoded(settings, text)[0];
    for (const [format, text] of [
      [{ kind: 'command' }, { op: 'put', key: 'k', value: 1 }],
      [{ kind: 'kv-store' }, { Key: 'k', Value: 'v' }],
      [{ kind: 'kvupdater' }, message],
      [{ kind: 'cache-event' }, { key: 'SET', value: { data: { k: 1 } } }],
      [
        { kind: 'json', key: '{type}', omit: [], write: 'merge', as: 'hash' },
        { type: 'k', a: 1 },
      ],
    ] as const) {
      const taken = put({ format, late: 'accept', recordEqual: true }, text);
      assert.ok(taken !== undefined && 'op' in taken, format.kind);
      assert.ok('acceptLate' in taken && 'recordEqual' in taken, format.kind);
      const plain = put({ format }, text);
      assert.ok(plain !== undefined && !('acceptLate' in plain) && !('recordEqual' in plain), format.kind);
    }
  });

  test('a refusal stays what it is', () => {
    const [refusal] = decoded({ keyPrefix: 'p', format: { kind: 'kvupdater' } }, { type: 'k' });
    assert.ok(refusal !== undefined && 'outcome' in refusal && refusal.code === 'event-invalid');
  });

  test('a template that can not be used is told with the setting and the source that has it', () => {
    const place = { url: 'redis://x', sentinels: [], sentinelName: 'mymaster', caFile: '' };
    const source = {
      ...{ name: 'ems', kind: 'redis-pubsub', channels: ['c'], patterns: [], validate: false, ...place },
      ...{ keyPrefix: '', late: 'refuse', recordEqual: false },
      format: { kind: 'json', key: 'battery:{', omit: [], write: 'put', as: 'string' },
    } as const;
    const settings = { limits: LIMITS, sources: [source as RedisPubsubSettings] };
    assert.throws(() => sourceFormats(settings), {
      code: 'config-invalid',
      message: /^sources\[0\]\.format of the source ems: .*battery:\{/,
    });
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeGroups, describeSettings } from './describe.ts';
import { settingsJsonSchema } from './json-schema.ts';
import { parseBytes, parseDurationMs } from './units.ts';

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean;
  readonly description?: string;
  readonly default?: unknown;
  readonly pattern?: string;
  readonly anyOf?: readonly Schema[];
}

const schema = settingsJsonSchema() as Schema;

function at(path: string): Schema | undefined {
  return path.split('.').reduce<Schema | undefined>((inside, name) => inside?.properties?.[name], schema);
}

test('the schema has every setting with its description and default, and takes no other name', () => {
  for (const { about, defaultText, kind, path } of describeSettings()) {
    const own = at(path);
    assert.ok(own?.description?.startsWith(about), path);
    const expected = ['bytes', 'duration', 'choice'].includes(kind) ? defaultText : JSON.parse(defaultText);
    assert.deepEqual(own?.default, expected, path);
  }
  for (const { path } of describeGroups()) assert.equal(at(path)?.additionalProperties, false, path);
  assert.equal(schema.additionalProperties, false);
});

test('what it lets through as a size or a duration is what the server reads, and a reference passes everywhere', () => {
  const size = new RegExp(at('limits.valueBytesMax')?.pattern ?? '^$');
  const duration = new RegExp(at('history.ageMax')?.pattern ?? '^$');
  for (const text of ['1', '64KB', '64KiB', '1.5 MiB', '1gib', '10b', '1M', '1 k', 'x', '', '-1']) {
    assert.equal(size.test(text), takes(parseBytes, text), text);
  }
  for (const text of ['0', '500ms', '1.5h', '7d', '2w', '15 s', '15', '7days', '', '-1s']) {
    assert.equal(duration.test(text), takes(parseDurationMs, text), text);
  }
  assert.ok(size.test('env:SIZE') && duration.test('file:/run/age'));
  assert.equal(at('http.port')?.anyOf?.length, 2);
});

function takes(parse: (text: string) => number, text: string): boolean {
  try {
    parse(text);
    return true;
  } catch {
    return false;
  }
}

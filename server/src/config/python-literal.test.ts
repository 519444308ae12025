import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { parsePythonDictionary } from './python-literal.ts';

const parse = (text: string) =>
  Object.fromEntries([...parsePythonDictionary(text, 'config', 'config.py')].map(([name, { value }]) => [name, value]));
const refused = (text: string, says: RegExp) =>
  assert.throws(
    () => parse(text),
    (error) => error instanceof LatchkeyError && error.code === 'config-invalid' && says.test(error.message),
    text,
  );

test('the file that KVUpdater’s users have is read as it stands', () => {
  const text = `# settings
config = {
    "redis_url": "redis://redis.redis:6379/0",  # in the cluster
    'channel': 'update',
    "validate": True,
}
`;
  assert.deepEqual(parse(text), { redis_url: 'redis://redis.redis:6379/0', channel: 'update', validate: true });
  assert.equal(parsePythonDictionary(text, 'config', 'config.py').get('channel')?.line, 4);
});

test('texts, numbers, constants, lists and dictionaries are what Python makes of them', () => {
  assert.deepEqual(parse(`config={'a':1,"b":-2.5e3,'c':[1,[ ],{'d':None},],'e':False,'f':0x1F,'g':1_000}`), {
    a: 1,
    b: -2500,
    c: [1, [], new Map([['d', null]])],
    e: false,
    f: 31,
    g: 1000,
  });
  assert.deepEqual(
    parse(String.raw`config = {'a': 'it\'s', "b": "x\ty\\ \u00e9\x41\101", 'c': r'\n', 'd': 'ab' "cd", 'e': '\d'}`),
    {
      a: "it's",
      b: 'x\ty\\ éAA',
      c: '\\n',
      d: 'abcd',
      e: '\\d',
    },
  );
  assert.deepEqual(parse('\uFEFFconfig = {}\r\n'), {});
  assert.deepEqual(parse('config = {"a": 1, "a": 2}'), { a: 2 });
  assert.deepEqual(parse('config = {"__proto__": 1, "constructor": 2}').constructor, 2);
});

test('anything else is refused with its line and column, and nothing is run', () => {
  refused('import os\nconfig = {}', /config\.py line 1, column 1: takes config = \{…\}/);
  refused('config = {"a": os.environ["X"]}', /line 1, column 16: takes a text, a number.* but got os/);
  refused('config = {\n  "a": 1\n  "b": 2\n}', /line 3, column 3: takes , or \}/);
  refused('config = {}\nprint(1)', /line 2, column 1: takes nothing behind/);
  refused('config = {"a": "x\n"}', /line 1, column 16: has a text that is not closed/);
  refused('config = {"a": f"{x}"}', /but got f/);
  refused('config = {"a": """x"""}', /three quotes/);
  refused('config = {a: 1}', /takes a text as a name/);
  refused('config = {"a": 1.2.3}', /takes/);
  refused('config = {"a": 12abc}', /takes a number/);
  refused('config = {"a": (1, 2)}', /but got \(/);
  refused('config = {"a": "\\N{BULLET}"}', /escape/);
  refused('config = {"a": 1', /but got the end/);
  refused(`config = {"a": ${'['.repeat(100)}`, /nested/);
  refused('', /takes config/);
});

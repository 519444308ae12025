import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Refusal } from '../commands/command.ts';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import type { DecodedCommands } from '../gateways/gateway.ts';
import { isRefusal } from '../shared/refusal.ts';
import { commandFormat, decodeCommands } from './commands.ts';

const limits = { ...DEFAULT_SETTINGS.limits, pendingCommandsMax: 5 };
const READ = '{"op":"read","key":"a"}';

function told(body: string | Buffer, contentType?: string): [string, ...string[]] {
  const decoded = decodeCommands(Buffer.from(body as string), limits, contentType);
  if (isRefusal(decoded)) return [decoded.code];
  const { form, commands } = decoded as DecodedCommands;
  return [form, ...commands.map((command) => ('outcome' in command ? command.code : command.op))];
}

test('an array, one object and lines are told apart without being named', () => {
  for (const [body, ...expected] of [
    [`[${READ},${READ}]`, 'array', 'read', 'read'],
    [' [ ] ', 'array'],
    [READ, 'object', 'read'],
    [`\n${READ}\n`, 'object', 'read'],
    ['{\n  "op": "read",\n  "key": "a"\n}\n', 'object', 'read'],
    [`${READ}\n${READ}`, 'ndjson', 'read', 'read'],
    [`${READ}\r\n\r\n  ${READ} \r\n`, 'ndjson', 'read', 'read'],
    [`\ufeff${READ}\n${READ}`, 'ndjson', 'read', 'read'],
  ] as const) {
    assert.deepEqual(told(body), expected, body);
    assert.deepEqual(told(body, 'application/json'), expected, body);
    assert.deepEqual(told(body, 'application/x-www-form-urlencoded'), expected, body);
  }
});

test('lines are lines where the content type says so', () => {
  assert.deepEqual(told(READ, 'application/x-ndjson'), ['ndjson', 'read']);
  assert.deepEqual(told('', 'application/x-ndjson; charset=utf-8'), ['ndjson']);
  assert.deepEqual(told('[]\n', 'application/ndjson'), ['ndjson', 'invalid-request']);
});

test('one bad element or line is refused in its place and named', () => {
  assert.deepEqual(told(`[${READ},7,{"op":"x"},${READ}]`), ['array', 'read', 'invalid-request', 'unknown-op', 'read']);
  assert.deepEqual(told(`{"op":"read"\n${READ}\nrubbish\n${READ}`), [
    'ndjson',
    'invalid-json',
    'read',
    'invalid-json',
    'read',
  ]);
  assert.deepEqual(told(`${READ}\n{"op":\n${READ}`), ['ndjson', 'read', 'invalid-json', 'read']);
  const { commands } = decodeCommands(Buffer.from(`${READ}\n\n{"op":1}`), limits) as DecodedCommands;
  assert.match((commands[1] as Refusal).message, /^Line 3: op takes a string/);
  const array = decodeCommands(Buffer.from(`[${READ},{}]`), limits) as DecodedCommands;
  assert.match((array.commands[1] as Refusal).message, /^Command 2: /);
});

test('a line that is not UTF-8 does not hide the others', () => {
  const bad = Buffer.concat([Buffer.from('{"op":"read","key":"'), Buffer.from([0xff]), Buffer.from('"}')]);
  const utf8 = '{"op":"read","key":"é"}';
  const body = Buffer.concat([Buffer.from(`${utf8}\n`), bad, Buffer.from(`\n${utf8}`)]);
  const decoded = decodeCommands(body, limits) as DecodedCommands;
  assert.deepEqual(told(body), ['ndjson', 'read', 'invalid-utf8', 'read']);
  assert.deepEqual(decoded.commands[2], { op: 'read', key: 'é' });
  assert.deepEqual(told(bad), ['invalid-utf8']);
  assert.deepEqual(told(Buffer.concat([Buffer.from('['), bad, Buffer.from(']')])), ['invalid-utf8']);
});

test('a body in which nothing has a place is refused as a whole, or is one refused command', () => {
  for (const body of ['', ' \n ', '[', `[${READ}`, `[${READ},]`, `[${READ}]x`])
    assert.deepEqual(told(body), ['invalid-json'], body);
  assert.deepEqual(told('hello'), ['object', 'invalid-json']);
  assert.deepEqual(told(`${READ}${READ}`), ['object', 'invalid-json']);
  assert.deepEqual(told(`{"a":${'['.repeat(100_000)}`), ['object', 'invalid-json']);
  assert.deepEqual(told('['.repeat(100_000)), ['invalid-json']);
});

test('more commands than may wait are refused as a whole, before they are made', () => {
  assert.deepEqual(told(`[${'0,'.repeat(100)}0]`), ['batch-too-big']);
  assert.deepEqual(told(`${READ}\n`.repeat(6)), ['batch-too-big']);
  assert.equal((decodeCommands(Buffer.from(`${READ}\n`.repeat(6)), limits) as Refusal).limit, 5);
  assert.equal(told(`${READ}\n`.repeat(5)).length, 6);
});

test('as a format, a refusal of the whole stands for the commands', () => {
  const format = commandFormat(limits);
  assert.deepEqual(format.decode({ body: Buffer.from(READ) }), [{ op: 'read', key: 'a' }]);
  assert.equal((format.decode({ body: Buffer.from('[') })[0] as Refusal).code, 'invalid-json');
  const lines = format.decode({ body: Buffer.from(READ), headers: { 'content-type': 'application/x-ndjson' } });
  assert.equal(lines.length, 1);
  assert.deepEqual(format.decodeFrame(`{"op":"read","key":"a","id":1}`, ['id']), { op: 'read', key: 'a' });
});

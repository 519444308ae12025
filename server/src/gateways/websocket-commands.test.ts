import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { MemoryLog } from '../../../test/support/memory-log.ts';
import { ANONYMOUS } from '../shared/access.ts';
import { WAITING_MAX, WebsocketCommands } from './websocket-commands.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

function setUp() {
  const log = new MemoryLog();
  const answered: string[] = [];
  const refused: string[] = [];
  const faults: unknown[] = [];
  const sink = {
    origin: 'http:127.0.0.1:1',
    isOpen: true,
    answer: (id: string) => answered.push(id),
    refuse: (id: string, error: LatchkeyError) => refused.push(`${id} ${error.code}`),
    hasRoom: () => sink.isOpen,
    onTaken: () => {},
  };
  const commands = new WebsocketCommands(log, (_stage, error) => faults.push(error), ANONYMOUS, sink);
  const push = (id: number) => commands.push({ id: String(id), command: { op: 'read', key: 'a' }, bytes: 10 });
  return { answered, commands, faults, log, push, refused, sink };
}

describe('commands of one connection', () => {
  test('a bounded number waits; one more is not taken', async () => {
    const { answered, commands, push, sink } = setUp();
    sink.isOpen = false;
    for (let id = 0; id < WAITING_MAX; id += 1) assert.equal(push(id), true);
    assert.equal(push(WAITING_MAX), false);
    assert.equal(commands.count, WAITING_MAX);
    assert.equal(commands.bytes, WAITING_MAX * 10);
    await turn();
    assert.equal(answered.length, 0, 'nothing is carried out whose outcome could not be written');
    sink.isOpen = true;
    commands.wake();
    while (!commands.isIdle) await turn();
    assert.deepEqual(
      answered,
      Array.from({ length: WAITING_MAX }, (_, id) => String(id)),
    );
    assert.equal(commands.bytes, 0);
  });

  test('what comes in one turn is one batch, and one batch is under way at a time', async () => {
    const { commands, log, push } = setUp();
    for (let id = 0; id < 100; id += 1) push(id);
    while (!commands.isIdle) await turn();
    assert.deepEqual(
      log.batches.map((batch) => batch.commands.length),
      [64, 36],
    );
    assert.equal(log.batches[0]?.origin, 'http:127.0.0.1:1');
  });

  test('what the log refuses is told to each, and what breaks is reported', async () => {
    const { commands, faults, log, push, refused } = setUp();
    log.fault = new LatchkeyError('storage-full', 'The disk is full.');
    push(1);
    push(2);
    while (!commands.isIdle) await turn();
    log.submit = () => Promise.reject(new Error('a bug'));
    push(3);
    while (!commands.isIdle) await turn();
    assert.deepEqual(refused, ['1 storage-full', '2 storage-full', '3 internal']);
    assert.equal(faults.length, 1);
  });

  test('a connection that went is told nothing, and what waits is dropped', async () => {
    const { answered, commands, log, push } = setUp();
    for (let id = 0; id < 100; id += 1) push(id);
    await turn();
    commands.close();
    while (!commands.isIdle) await turn();
    await turn();
    assert.ok(log.batches.length <= 1);
    assert.ok(answered.length <= 64);
  });
});

import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import {
  changed,
  FakeServer,
  frame,
  HASH,
  opened,
  type Sent,
  settle,
  synced,
} from '../../test/support/fake-websocket.ts';
import { connect } from './connection.ts';
import type { ErrorCode, LatchkeyError } from './error.ts';
import { type Mirror, type MirrorOptions, mirror } from './mirror.ts';

async function setUp(
  scope: TestContext,
  options: MirrorOptions = {},
): Promise<{ server: FakeServer; board: Mirror<number>; give: (...frames: Sent[]) => Promise<void> }> {
  const server = new FakeServer();
  const connection = connect({
    server: 'http://127.0.0.1:1',
    transport: 'websocket',
    openWebSocket: server.open,
    random: () => 0,
  });
  scope.after(() => connection.close());
  const board = mirror<number>(connection, {}, options);
  await settle();
  const give = async (...frames: Sent[]) => {
    server.socket.give(...frames);
    await settle();
  };
  return { server, board, give };
}

const isError = (code: ErrorCode) => (error: LatchkeyError) => error.code === code;
const values = (board: Mirror<number>) => board.entries().map(({ key, value }) => [key, value]);
const one = (change: Sent, position: string): Sent => ({ id: 1, changes: [change], position: `${position};${HASH}` });

describe('a mirror', () => {
  test('folds puts, removes and stale ones, in the order of their keys', async (scope) => {
    const { board, give } = await setUp(scope);
    await give(opened(1, 0), frame(1, 10, 2), synced(1, 10));
    await give(one(changed(11, { key: 'k2', op: 'remove', reason: 'expired' }), 'aaaa.11'));
    await give(one(changed(12, { key: 'k1', op: 'stale', valid: 'y' }), 'aaaa.12'));
    assert.deepEqual(board.entries(), [
      { key: 'k1', value: 12, version: 'aaaa.12', updated: 'x', valid: 'y', stale: true },
      { key: 'k10', value: 10, version: 'aaaa.10', updated: 'x' },
    ]);
    assert.equal(board.get('k2'), undefined);
    await give(one(changed(13, { key: 'k1' }), 'aaaa.13'));
    assert.deepEqual(board.get('k1'), { key: 'k1', value: 13, version: 'aaaa.13', updated: 'x' });
  });

  test('hands out what never changes, and the same until it does', async (scope) => {
    const { board, give } = await setUp(scope);
    await give(opened(1, 0), frame(1, 1, 2), synced(1, 2));
    const { entries, get } = board;
    const [all, first, second, status] = [entries(), get('k1'), get('k2'), board.status];
    await give({ op: 'progress', id: 1, position: `aaaa.5;${HASH}` });
    assert.deepEqual([entries() === all, get('k1') === first, board.status === status], [true, true, true]);
    await give(one(changed(6, { key: 'k1' }), 'aaaa.6'));
    assert.deepEqual([entries() === all, get('k1') === first, get('k2') === second], [false, false, true]);
    assert.equal(all[0]?.value, 1);
    assert.ok(Object.isFrozen(all) && Object.isFrozen(first));
  });

  test('tells listeners of their key, or of everything, once for a frame, and not without a change', async (scope) => {
    const { board, give } = await setUp(scope);
    const calls: string[] = [];
    await give(opened(1, 0), synced(1, 0));
    board.subscribe(() => calls.push('all'));
    const stop = board.subscribe(() => calls.push('k1'), 'k1');
    board.subscribe(() => calls.push('k2'), 'k2');
    await give(frame('g1', 1, 3, 4));
    assert.deepEqual(calls.splice(0), ['all', 'k1']);
    await give({ op: 'progress', id: 1, position: `aaaa.5;${HASH}` });
    assert.deepEqual(calls.splice(0), []);
    stop();
    stop();
    await give(frame('g1', 6, 7));
    assert.deepEqual(calls.splice(0), ['all']);
  });

  test('after a reset it shows what it showed, and the fresh snapshot as a whole once it is complete', async (scope) => {
    const { board, give, server } = await setUp(scope);
    await give(opened(1, 0), frame(1, 1, 2), synced(1, 2));
    let calls = 0;
    board.subscribe(() => (calls += 1), 'k1');
    const reset = { op: 'reset', id: 1, reason: 'epoch', position: `bbbb.0~9;${HASH}` };
    await give(reset, { ...one(changed(8, { version: 'bbbb.8' }), 'bbbb.8~9') });
    assert.deepEqual(values(board), [
      ['k1', 1],
      ['k2', 2],
    ]);
    assert.equal(board.status.kind, 'catching-up');
    // Cut in the middle of the fresh snapshot, it goes on in its middle.
    const next = server.next();
    server.socket.cut();
    await next;
    assert.equal(server.socket.watches[0]?.from, `bbbb.8~9;${HASH}`);
    await give({ ...opened(1, 0), epoch: 'bbbb', position: `bbbb.8~9;${HASH}` });
    await give(one(changed(9, { version: 'bbbb.9' }), 'bbbb.9~9'));
    assert.equal(calls, 0);
    await give({ ...synced(1, 0), position: `bbbb.9;${HASH}` });
    assert.deepEqual(values(board), [
      ['k8', 8],
      ['k9', 9],
    ]);
    assert.equal(calls, 1);
  });

  test('closes when its filter has more entries than it may keep', async (scope) => {
    const { board, give } = await setUp(scope, { entriesMax: 2 });
    await give(opened(1, 0), frame(1, 1, 2, 3));
    await assert.rejects(board.ready, isError('mirror-full'));
    assert.equal(board.status.kind === 'closed' && board.status.error?.details.limit, 2);
    await assert.rejects(board.waitFor('aaaa.1'), isError('mirror-full'));
  });

  test('a refusal rejects what waits for it', async (scope) => {
    const { board, give } = await setUp(scope);
    const wait = assert.rejects(board.waitFor('aaaa.1'), isError('filter-too-big'));
    await give({ op: 'error', id: 1, code: 'filter-too-big', message: 'Too big.' });
    await wait;
    await assert.rejects(board.ready, isError('filter-too-big'));
  });
});

describe('waiting for a version', () => {
  const isPending = async (wait: Promise<void>) => {
    let isOver = false;
    void wait.then(() => {
      isOver = true;
    });
    await settle();
    return !isOver;
  };

  test('lasts until it is shown: not while a snapshot that may not have it runs, nor before a reset is made good', async (scope) => {
    const { board, give } = await setUp(scope);
    await assert.rejects(board.waitFor('nonsense'), isError('position-invalid'));
    const wait = board.waitFor('aaaa.2');
    await give({ ...opened(1, 0), position: `aaaa.0~4;${HASH}` }, one(changed(3), 'aaaa.3~4'));
    assert.equal(await isPending(wait), true);
    await give(synced(1, 4));
    await wait;
    await board.waitFor('aaaa.4');
    const later = board.waitFor('aaaa.6');
    await give({ op: 'reset', id: 1, reason: 'collected', position: `aaaa.0~8;${HASH}` }, one(changed(8), 'aaaa.8~8'));
    assert.equal(await isPending(later), true);
    await give(synced(1, 8));
    await later;
  });

  test('of an epoch that it has not seen lasts until the server has spoken again', async (scope) => {
    const { board, give } = await setUp(scope);
    await give(opened(1, 5), synced(1, 5));
    // Of before a restart; or of a store that this connection does not yet know it has lost.
    const wait = board.waitFor('zzzz.3');
    assert.equal(await isPending(wait), true);
    await give({ op: 'progress', id: 1, position: `aaaa.5;${HASH}` });
    await wait;
  });

  test('ends with an error where the server goes on with another history', async (scope) => {
    const { board, give } = await setUp(scope);
    await give(opened(1, 5), synced(1, 5));
    const wait = assert.rejects(board.waitFor('aaaa.9'), isError('history-replaced'));
    await give({ op: 'reset', id: 1, reason: 'epoch', position: `bbbb.0;${HASH}` });
    await wait;
  });

  test('ends with its signal, and with the mirror', async (scope) => {
    const { board, give } = await setUp(scope);
    await give(opened(1, 5), synced(1, 5));
    await assert.rejects(board.waitFor('aaaa.9', { signal: AbortSignal.abort(new Error('no')) }), /no/);
    const abort = new AbortController();
    const wait = board.waitFor('aaaa.9', { signal: abort.signal });
    abort.abort(new Error('enough'));
    await assert.rejects(wait, /enough/);
    const other = board.waitFor('aaaa.9');
    await board[Symbol.asyncDispose]();
    await assert.rejects(other, isError('closing'));
  });
});

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { temporaryFolder } from '../../../../test/support/server-process.ts';
import { type Answer, type Asked, fakeServer, json } from '../fake-server.fixture.ts';
import { keepConnection } from '../request.ts';
import type { Batch, Item } from './batch.ts';
import { emptyTally } from './outcomes.ts';
import { ProgressChain } from './progress-chain.ts';
import { RejectFile } from './rejects.ts';
import { bytesText, type Row } from './row.ts';

const BYTES = 10;

function itemAt(index: number): Item {
  const row = { text: `row ${index}`, from: 0, to: 5, number: index + 1, end: (index + 1) * BYTES };
  return { row, command: `{"op":"put","key":"k${index}","value":1}` };
}

function batchOf(count: number): Batch {
  const items = Array.from({ length: count }, (_, index) => itemAt(index));
  return { from: { offset: 0, row: 0 }, to: { offset: count * BYTES, row: count }, items };
}

const APPLIED = '{"outcome":"applied","version":"k3x9.1"}\n';
const REFUSED = '{"outcome":"refused","code":"key-too-long","message":"Line 2: too long","field":"key"}\n';

const outcomes: Answer = ({ body }, response) =>
  json(
    response,
    body.replace(/.*\n/g, (line) => (line.includes('"k1"') ? REFUSED : APPLIED)),
  );

const refuse =
  (code: string, status: number, more: object = {}): Answer =>
  (_asked, response) =>
    json(response, { error: { code, message: `Because ${code}.`, ...more } }, status);

/** A chain towards a server that answers each request by the next of these, the last of them for ever. */
async function chainOf(t: TestContext, ...answers: Answer[]) {
  const waits: (string | undefined)[] = [];
  const slept: number[] = [];
  const server = await fakeServer(t, (asked, response) => {
    const answer = answers.length > 1 ? (answers.shift() as Answer) : (answers[0] as Answer);
    answer(asked, response);
  });
  const place = { server: server.url };
  const connection = await keepConnection(place);
  t.after(() => connection.destroy());
  const chain = new ProgressChain({
    place,
    connection,
    source: 's',
    token: undefined,
    waitMs: 10_000,
    sleep: async (ms) => void slept.push(ms),
    random: () => 1,
    onWait: (why) => waits.push(why?.code),
  });
  return { asked: server.asked, chain, slept, waits };
}

const stepOf = ({ headers }: Asked) => [headers['latchkey-expected-offset'], headers['latchkey-next-offset']];

describe('a chain of batches', () => {
  test('moves the progress from each to the next, and tells what was refused', async (t) => {
    const { asked, chain } = await chainOf(t, outcomes);
    const tally = emptyTally();
    const { rejects } = await chain.send(batchOf(3), tally);
    const next = { ...batchOf(1), from: { offset: 30, row: 3 }, to: { offset: 40, row: 4 } };
    await chain.send(next, tally);
    assert.deepEqual(asked.map(stepOf), [
      [undefined, '30:3,0:0'],
      ['30:3,0:0', '40:4,30:3'],
    ]);
    assert.equal(asked[0]?.headers['latchkey-source'], 's/0');
    assert.equal(tally.applied, 3);
    assert.deepEqual(
      rejects.map(({ refusal, row }) => [row.number, refusal]),
      [[2, { code: 'key-too-long', message: 'too long', field: 'key' }]],
    );
  });

  test('waits as the server says, else ever longer, and sends the same again', async (t) => {
    const busy: Answer = (_asked, response) => {
      response.setHeader('retry-after', '2');
      json(response, { error: { code: 'overloaded', message: 'Too much.' } }, 429);
    };
    const cut: Answer = (_asked, response) => void response.destroy();
    const { asked, chain, slept, waits } = await chainOf(t, busy, cut, refuse('storage-full', 503), outcomes);
    await chain.send(batchOf(1), emptyTally());
    assert.deepEqual(slept, [2000, 200, 400]);
    assert.deepEqual(waits, ['overloaded', undefined]);
    assert.equal(new Set(asked.map(({ body }) => body)).size, 1);
  });

  test('gives up after as long as it may wait, with the error of the last try', async (t) => {
    const { chain, slept } = await chainOf(t, refuse('not-ready', 503));
    await assert.rejects(chain.send(batchOf(1), emptyTally()), { code: 'not-ready' });
    assert.equal(
      slept.reduce((sum, ms) => sum + ms, 0),
      10_000,
    );
  });

  test('an answer that was lost is no second write: what was refused is asked for without effect', async (t) => {
    const cut: Answer = (_asked, response) => void response.destroy();
    const moved = refuse('progress-mismatch', 409, { progress: '20:2,0:0' });
    const { asked, chain } = await chainOf(t, cut, moved, outcomes);
    const tally = emptyTally();
    const settled = await chain.send(batchOf(2), tally);
    assert.equal(settled.unconfirmed, 2);
    assert.deepEqual(
      settled.rejects.map(({ row }) => row.number),
      [2],
    );
    assert.deepEqual(tally, emptyTally());
    const question = asked[2] as Asked;
    assert.deepEqual(stepOf(question), [undefined, undefined]);
    assert.ok(
      question.body
        .trimEnd()
        .split('\n')
        .every((line) => line.endsWith(',"ifVersion":"0000.0"}')),
    );
  });

  test('questions that are too big for a body are asked in halves, and nothing is sent again', async (t) => {
    const cut: Answer = (_asked, response) => void response.destroy();
    const moved = refuse('progress-mismatch', 409, { progress: '40:4,0:0' });
    const tooBig: Answer = (asked, response) =>
      asked.body.includes('"k2"') || asked.body.split('\n').length > 3
        ? refuse('body-too-big', 413)(asked, response)
        : outcomes(asked, response);
    const { asked, chain } = await chainOf(t, cut, moved, tooBig);
    const { rejects, unconfirmed } = await chain.send(batchOf(4), emptyTally());
    assert.deepEqual(
      rejects.map(({ refusal, row }) => [row.number, refusal.code]),
      [
        [2, 'key-too-long'],
        [3, 'body-too-big'],
      ],
    );
    assert.equal(unconfirmed, 4);
    for (const question of asked.slice(2)) assert.deepEqual(stepOf(question), [undefined, undefined]);
  });

  test('a source that something else moves is a conflict that says where it is', async (t) => {
    const { chain } = await chainOf(t, refuse('progress-mismatch', 409, { progress: '70:7,50:5' }));
    await assert.rejects(
      chain.send(batchOf(2), emptyTally()),
      (error) =>
        error instanceof LatchkeyError && error.row.exit === 4 && /moved source "s" to row 7/.test(error.message),
    );
  });

  test('a batch that is too big for a step goes in halves, and a row that is too big alone is refused', async (t) => {
    const tooBig: Answer = (asked, response) =>
      asked.body.includes('"k2"') ? refuse('batch-too-big', 413)(asked, response) : outcomes(asked, response);
    const { asked, chain } = await chainOf(t, tooBig);
    const tally = emptyTally();
    const { rejects } = await chain.send(batchOf(4), tally);
    assert.deepEqual(
      rejects.map(({ refusal, row }) => [row.number, refusal.code]),
      [
        [2, 'key-too-long'],
        [3, 'batch-too-big'],
      ],
    );
    assert.equal(tally.applied, 2);
    const taken = asked.filter(({ body }) => !body.includes('"k2"')).map(stepOf);
    assert.deepEqual(taken, [
      [undefined, '20:2,0:0'],
      ['20:2,0:0', '30:3,20:2'],
      ['30:3,20:2', '40:4,30:3'],
    ]);
  });

  test('an answer that is not one outcome a row is told, not counted', async (t) => {
    for (const text of ['', APPLIED, APPLIED.repeat(3), '<html>\n<html>\n']) {
      const { chain } = await chainOf(t, (_asked, response) => json(response, text));
      await assert.rejects(chain.send(batchOf(2), emptyTally()), /did not answer with 2 outcomes/);
    }
  });
});

test('the reject file keeps what stands before a place, each row once, and loses what a crash cut off', async (t) => {
  const path = join(temporaryFolder(t), 'rejects');
  const file = new RejectFile(path);
  const rejectOf = (number: number) => ({
    row: { text: bytesText('ü\u2028'), from: 0, to: 5, number, end: number } as Row,
    refusal: { code: 'event-invalid', message: 'No.' } as const,
  });
  file.add([rejectOf(3), rejectOf(5)]);
  file.add([]);
  file.add([rejectOf(9)]);
  writeFileSync(path, `${readFileSync(path, 'utf8')}{"row":2,"cut`);
  const resumed = new RejectFile(path);
  await resumed.keepUpTo(5);
  assert.equal(resumed.count, 2);
  resumed.add([rejectOf(9)]);
  const rows = readFileSync(path, 'utf8').trimEnd().split('\n');
  assert.deepEqual(
    rows.map((line) => (JSON.parse(line) as { row: number }).row),
    [3, 5, 9],
  );
  resumed.clear();
  await resumed.keepUpTo(5);
  assert.equal(resumed.count, 0);
});

test('a reject file that cannot be kept is told by its name', async (t) => {
  const path = join(temporaryFolder(t), 'rejects');
  writeFileSync(path, '{"row":1}\n');
  mkdirSync(`${path}.part`);
  await assert.rejects(new RejectFile(path).keepUpTo(5), /rejects\.part cannot be written \(EISDIR\)/);
  assert.equal(readFileSync(path, 'utf8'), '{"row":1}\n');
});

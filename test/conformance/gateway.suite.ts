import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { type Filter, LatchkeyError } from '@latchkey/client';
import type { Command } from '../../server/src/commands/command.ts';
import { ANONYMOUS } from '../../server/src/shared/access.ts';
import { isChange, type LiveEvent, type LiveStream } from '../support/live-stream.ts';
import type { MemoryLog } from '../support/memory-log.ts';

export interface WatchMode {
  readonly from?: string;
  readonly values?: boolean;
}

/** What a live gateway's test gives the suite: a server with that gateway, and a client of its protocol. */
export interface GatewayProbe {
  readonly log: MemoryLog;
  /** Resolves once the server has answered. @throws LatchkeyError with the code of a refusal */
  watch(filter?: Filter, mode?: WatchMode): Promise<LiveStream>;
  /** The feed says goodbye to everybody. */
  closeFeed(): Promise<void>;
}

const put = (key: string, value: unknown): Command => ({
  op: 'put',
  key,
  value: { kind: 'json', data: JSON.stringify(value) },
});

async function submit(log: MemoryLog, ...commands: readonly Command[]): Promise<void> {
  await log.submit({ commands, principal: ANONYMOUS });
}

/** Offsets of changes, which are those of their versions. */
const offsets = (events: readonly LiveEvent[]): readonly number[] =>
  events.map(({ version }) => Number((version as string).split('.')[1]));

const isRefused = (code: string) => (error: unknown) => error instanceof LatchkeyError && error.code === code;

/** The promises that every live gateway keeps to its clients. `name` is the gateway's. */
export function gatewaySuite(name: string, connect: (scope: TestContext) => Promise<GatewayProbe>): void {
  describe(`gateway ${name}`, () => {
    beginnings(connect);
    resumes(connect);
    contents(connect);
    slowReaders(connect);

    test('says goodbye, with when to come back, and ends', async (scope) => {
      const probe = await connect(scope);
      const stream = await probe.watch();
      await stream.op('synced');
      const closed = probe.closeFeed();
      assert.match((await stream.op('bye')).text, /"afterMs":\d+/);
      await stream.end();
      await closed;
      assert.equal(stream.events.at(-1)?.op, 'bye');
    });
  });
}

function beginnings(connect: (scope: TestContext) => Promise<GatewayProbe>): void {
  test('opens first, with a position, even where there is nothing', async (scope) => {
    const probe = await connect(scope);
    const stream = await probe.watch();
    const opened = await stream.op('opened');
    assert.equal(stream.events[0], opened);
    assert.match(opened.position as string, /^aaaa\.[0-9~]+;[0-9a-z]{6}$/);
    assert.match(opened.text, /"node":"memory"/);
    await stream.op('synced');
    assert.deepEqual(stream.story, ['opened', 'synced']);
  });

  test('gives what is there, says so, and goes on live in order', async (scope) => {
    const probe = await connect(scope);
    await submit(probe.log, put('a', 1), put('b', 1), put('a', 2), put('c', 1), { op: 'remove', key: 'c' });
    const stream = await probe.watch();
    await stream.op('synced');
    assert.deepEqual(stream.story, ['opened', 'put b', 'put a', 'synced']);
    for (let value = 3; value < 50; value += 1) await submit(probe.log, put('a', value), put('b', value));
    await stream.value('b', 49);
    const live = stream.changes.slice(2);
    assert.deepEqual(
      live.map(({ value }) => value),
      Array.from({ length: 94 }, (_, index) => 3 + Math.floor(index / 2)),
    );
    assert.deepEqual(
      offsets(stream.changes),
      offsets(stream.changes).toSorted((a, b) => a - b),
    );
  });

  test('from now on gives only what is new', async (scope) => {
    const probe = await connect(scope);
    await submit(probe.log, put('a', 1));
    const stream = await probe.watch({}, { from: 'now' });
    await stream.op('synced');
    await submit(probe.log, put('a', 2));
    await stream.count(1);
    assert.deepEqual(stream.story, ['opened', 'synced', 'put a']);
  });

  test('refuses what it cannot watch with the documented error', async (scope) => {
    const probe = await connect(scope);
    await assert.rejects(probe.watch({}, { from: 'nonsense' }), isRefused('position-invalid'));
    await assert.rejects(probe.watch({ keys: [''] }), isRefused('key-invalid'));
    await assert.rejects(probe.watch({ patterns: [''] }), isRefused('pattern-invalid'));
    const many = Array.from({ length: 1001 }, (_, index) => `k${index}`);
    await assert.rejects(probe.watch({ keys: many }), isRefused('filter-too-big'));
  });
}

function resumes(connect: (scope: TestContext) => Promise<GatewayProbe>): void {
  test('resumes after the last position without a gap or a repeat', async (scope) => {
    const probe = await connect(scope);
    let from: string | undefined;
    const seen: LiveEvent[] = [];
    for (let round = 0; round < 8; round += 1) {
      for (let value = 0; value < 20; value += 1) await submit(probe.log, put(`k${value % 7}`, round * 100 + value));
      const stream = await probe.watch({ prefixes: ['k'] }, from === undefined ? {} : { from });
      await stream.op('synced');
      for (let value = 20; value < 40; value += 1) await submit(probe.log, put(`k${value % 7}`, round * 100 + value));
      await stream.value('k4', round * 100 + 39);
      assert.equal(
        stream.events.some(({ op }) => op === 'reset' || op === 'conflated'),
        false,
      );
      seen.push(...stream.changes);
      from = stream.position;
      stream.cut();
    }
    const told = offsets(seen);
    assert.deepEqual(
      told,
      told.toSorted((a, b) => a - b),
    );
    assert.equal(new Set(told).size, told.length);
    // The first snapshot leaves out what was superseded; from then on every change was told.
    const first = told[0] as number;
    assert.ok(first > 0 && told.length >= 8 * 40 - 20);
    const afterSnapshot = told.filter((offset) => offset > 20);
    assert.deepEqual(
      afterSnapshot,
      Array.from({ length: afterSnapshot.length }, (_, index) => 21 + index),
    );
  });

  test('a position that says nothing here is reset on the same connection, and a snapshot follows', async (scope) => {
    const probe = await connect(scope);
    await submit(probe.log, put('a', 1), put('b', 2));
    const before = await probe.watch();
    await before.op('synced');
    const position = before.position as string;
    const cases = [
      { reason: 'epoch', filter: {}, from: 'zzzz.1' },
      { reason: 'filter', filter: { keys: ['a', 'b'] }, from: position },
      { reason: 'ahead', filter: {}, from: 'aaaa.999999' },
    ];
    for (const { filter, from, reason } of cases) {
      const stream = await probe.watch(filter, { from });
      await stream.op('synced');
      assert.deepEqual(stream.story, ['opened', 'reset', 'put a', 'put b', 'synced'], reason);
      assert.match((await stream.op('reset')).text, new RegExp(`"reason":"${reason}"`));
      stream.cut();
    }
  });

  test('a clean restart resets nobody', async (scope) => {
    const probe = await connect(scope);
    await submit(probe.log, put('a', 1));
    const before = await probe.watch();
    await before.op('synced');
    before.cut();
    probe.log.view.startEpoch('bbbb');
    await submit(probe.log, put('a', 2));
    const after = await probe.watch({}, { from: before.position as string });
    await after.op('synced');
    assert.deepEqual(after.story, ['opened', 'put a', 'synced']);
  });

  test('says which range it can only give conflated', async (scope) => {
    const probe = await connect(scope);
    await submit(probe.log, put('a', 0), put('b', 0));
    const before = await probe.watch();
    await before.op('synced');
    before.cut();
    // Another group’s: once it was told, the feed has handed out everything, and this group’s own ring does not have it.
    const other = await probe.watch({ keys: ['a'] });
    for (let value = 1; value <= 5; value += 1) await submit(probe.log, put('a', value));
    await other.value('a', 5);
    probe.log.view.trim(7);
    const after = await probe.watch({}, { from: before.position as string });
    await after.op('synced');
    assert.deepEqual(after.story, ['opened', 'conflated', 'put a', 'synced']);
    assert.equal(after.changes[0]?.value, 5);
  });
}

function contents(connect: (scope: TestContext) => Promise<GatewayProbe>): void {
  test('keys, prefixes and patterns are one union, told once each', async (scope) => {
    const probe = await connect(scope);
    const stream = await probe.watch({ keys: ['one', 'p.1'], prefixes: ['p.'], patterns: ['g[0-9]', 'p.*'] });
    await stream.op('synced');
    await submit(probe.log, put('one', 1), put('two', 1), put('p.1', 1), put('g7', 1), put('gx', 1), put('p.2', 1));
    await stream.count(4);
    await submit(probe.log, put('one', 2));
    await stream.value('one', 2);
    assert.deepEqual(
      stream.changes.map(({ key }) => key),
      ['one', 'p.1', 'g7', 'p.2', 'one'],
    );
  });

  test('tells why an entry went', async (scope) => {
    const probe = await connect(scope);
    const { log } = probe;
    const stream = await probe.watch();
    await stream.op('synced');
    await submit(log, put('a', 1), put('b', 1), { op: 'remove', key: 'a' });
    log.view.write({ key: 'b', op: 'remove', reason: 'expired' });
    const changes = await stream.count(4);
    const removed = changes.filter(({ op }) => op === 'remove');
    assert.deepEqual(
      removed.map(({ key, reason, value }) => [key, reason, value]),
      [
        ['a', 'deleted', undefined],
        ['b', 'expired', undefined],
      ],
    );
  });

  test('leaves values out where they are not asked for', async (scope) => {
    const probe = await connect(scope);
    await submit(probe.log, put('a', 'secret'));
    const stream = await probe.watch({}, { values: false });
    await stream.op('synced');
    await submit(probe.log, put('b', 'secret'));
    for (const { text } of await stream.count(2)) assert.doesNotMatch(text, /secret|"value"/);
  });

  test('a value keeps its text, whatever is in it', async (scope) => {
    const probe = await connect(scope);
    const stream = await probe.watch();
    await stream.op('synced');
    const exact = '{"big":12345678901234567890,"one":1.0,"text":"\u2028 é 🜂 \\n"}';
    const pretty = '{\r\n  "a": [\n    1\r  ]\n}';
    await submit(
      probe.log,
      { op: 'put', key: 'exact', value: { kind: 'json', data: exact } },
      { op: 'put', key: 'pretty', value: { kind: 'json', data: pretty } },
      { op: 'put', key: 'text', value: { kind: 'text', data: 'a\nb', contentType: 'text/plain' } },
      { op: 'put', key: 'bytes', value: { kind: 'binary', data: Buffer.from([0, 255]), contentType: 'image/x' } },
    );
    const [first, second, third, fourth] = await stream.count(4);
    assert.ok(first?.text.includes(exact));
    assert.deepEqual(second?.value, { a: [1] });
    assert.equal(third?.value, 'a\nb');
    assert.equal(fourth?.value, 'AP8=');
    assert.match(fourth.text, /"encoding":"base64"/);
  });

  test('an odd key arrives as it is', async (scope) => {
    const probe = await connect(scope);
    const key = `"\\/ é 🜂 ${'\u2028'} {"ref":"g1"} data: x`;
    const stream = await probe.watch({ keys: [key] });
    await stream.op('synced');
    await submit(probe.log, put(key, 1));
    assert.equal((await stream.count(1))[0]?.key, key);
  });
}

function slowReaders(connect: (scope: TestContext) => Promise<GatewayProbe>): void {
  test('a reader that stops slows nobody, and converges when it reads again', async (scope) => {
    const probe = await connect(scope);
    const slow = await probe.watch();
    const quick = await probe.watch();
    await Promise.all([slow.op('synced'), quick.op('synced')]);
    slow.pause();
    // More than kernels keep for a socket on loopback, so that the server has to stop writing.
    const filler = 'x'.repeat(64 * 1024);
    for (let round = 0; round < 200; round += 1) {
      await submit(probe.log, put(`k${round % 10}`, `${round}${filler}`));
      // A turn of its own for each, or all would be one tick.
      await new Promise((resolve) => setImmediate(resolve));
    }
    await submit(probe.log, put('end', 'end'));
    await quick.value('end', 'end');
    assert.equal(
      slow.changes.some(({ key }) => key === 'end'),
      false,
      'the slow reader was never behind',
    );
    slow.resume();
    await slow.value('end', 'end');
    const folded = new Map<string, unknown>();
    for (const { key, value } of slow.changes) folded.set(key as string, value);
    for (let index = 0; index < 10; index += 1) assert.equal(folded.get(`k${index}`), `${190 + index}${filler}`);
    const told = offsets(slow.changes);
    assert.deepEqual(
      told,
      [...new Set(told)].toSorted((a, b) => a - b),
      'in order, none twice',
    );
    assert.ok(
      slow.events.every(
        ({ op }) => isChange(op) || ['opened', 'synced', 'progress', 'conflated', 'behind'].includes(op),
      ),
    );
  });

  test('a watch that was cut leaves nothing behind', async (scope) => {
    const probe = await connect(scope);
    const stream = await probe.watch();
    await stream.op('synced');
    stream.cut();
    await stream.end();
    await submit(probe.log, put('a', 1));
    const next = await probe.watch();
    await next.op('synced');
    assert.deepEqual(next.story, ['opened', 'put a', 'synced']);
  });
}

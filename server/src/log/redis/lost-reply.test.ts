/**
 * A reply that is lost leaves its sender in doubt: the append was carried out, or never came, or is still on its way. Sent again as it
 * was, it must come to be carried out exactly once.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LatchkeyError } from '@latchkey/client';
import { FaultProxy } from '../../../../test/support/fault-proxy.ts';
import type { Scope } from '../../../../test/support/server-process.ts';
import { Random, seedFrom } from '../../verify/random.ts';
import type { AppendRequest } from './redis-store.ts';
import { persistently, storeWorld, UP_MS, until } from './store-world.fixture.ts';
import { EMPTY_HEAD, type Writer } from './writer.fixture.ts';

const MIB = 1024 * 1024;

async function behindProxy(t: Scope) {
  const world = await storeWorld(t);
  const proxy = await FaultProxy.start(world.redis.port);
  t.after(() => proxy.close());
  const through = await world.open({ url: proxy.url.replace('http:', 'redis:') });
  // From here on the server knows the script.
  await through.put({ key: 'first' });
  return { ...world, proxy, through };
}

/** Sends an append that is carried out and whose reply is lost, and reconnects. */
async function lose({ proxy, redis, through }: Awaited<ReturnType<typeof behindProxy>>, request: AppendRequest) {
  const count = Number(await redis.command('XLEN', 'latchkey:main:changes'));
  proxy.set({ kind: 'stalled', only: 'down' });
  const lost = through.store.append(request);
  lost.catch(() => {}); // It is awaited below.
  await until(
    'the append is carried out',
    async () => Number(await redis.command('XLEN', 'latchkey:main:changes')) === count + 1,
  );
  proxy.cut();
  await assert.rejects(lost, (error) => error instanceof LatchkeyError && error.code === 'not-ready');
  proxy.heal();
  await through.store.up(UP_MS);
}

/** The tokens of all records, and that no offset was left out or taken twice. */
async function tokensOf(writer: Writer): Promise<readonly string[]> {
  const tokens: string[] = [];
  let head = EMPTY_HEAD;
  const end = await writer.store.head();
  while (head.token !== end.token) {
    const records = await writer.store.tail(head, { waitMs: 1000, bytesMax: MIB });
    assert.ok(records !== 'behind');
    for (const { first, last, token } of records) {
      assert.equal(first, head.offset + 1);
      tokens.push(token);
      head = { ...head, offset: last, token };
    }
  }
  return tokens;
}

test('sent again at once, it is answered as carried out, and is there once', async (t) => {
  const world = await behindProxy(t);
  const { through } = world;
  const request = await through.request([{ key: 'a' }, { key: 'b' }]);
  await lose(world, request);
  const before = await world.everything();
  assert.deepEqual(await through.append(request), { kind: 'appended' });
  assert.deepEqual(await world.everything(), before);
  assert.deepEqual((await tokensOf(through)).slice(1), [request.record.token]);
});

test('it is known for carried out where others came after, and where the stream no longer has it', async (t) => {
  const world = await behindProxy(t);
  const { through } = world;
  const other = await world.open({ bounds: { changesMax: 1, bytesMax: MIB } });
  const request = await through.request([{ key: 'a' }]);
  await lose(world, request);
  other.head = await other.store.head();
  await other.put({ key: 'b' });
  assert.deepEqual(await through.store.append(request), { kind: 'appended' });
  for (let index = 0; index < 300; index += 1) await other.put({ key: `b${index}` });
  const [oldest] = (await world.redis.command('XRANGE', 'latchkey:main:changes', '-', '+', 'COUNT', 1)) as string[][];
  assert.notEqual(oldest?.[0], '1-0');
  const before = await world.everything();
  assert.deepEqual(await through.store.append(request), { kind: 'appended' });
  assert.deepEqual(await world.everything(), before);
});

test('one that never came is carried out when it is sent again, unless somebody was faster', async (t) => {
  const world = await behindProxy(t);
  const { proxy, through } = world;
  const other = await world.open();
  for (const isFaster of [false, true]) {
    const request = await through.request([{ key: 'a' }]);
    proxy.set({ kind: 'stalled' });
    const lost = through.store.append(request);
    proxy.cut();
    await assert.rejects(lost, (error) => error instanceof LatchkeyError && error.code === 'not-ready');
    proxy.heal();
    await through.store.up(UP_MS);
    other.head = await other.store.head();
    if (isFaster) await other.put({ key: 'b' });
    assert.equal((await through.append(request)).kind, isFaster ? 'moved' : 'appended');
  }
});

test('one that comes late, after the same was sent again, changes nothing', async (t) => {
  const { everything, open } = await storeWorld(t);
  const [slow, fast] = [await open(), await open()];
  const request = await slow.request([{ key: 'a' }], {
    tables: [{ table: 'progress', key: Buffer.from('s'), value: Buffer.from('1') }],
  });
  assert.equal((await fast.append(request)).kind, 'appended');
  await fast.put({ key: 'a' }, { key: 'b' });
  const before = await everything();
  assert.equal((await slow.append(request)).kind, 'appended');
  assert.deepEqual(await everything(), before);
});

test('whenever the connection is cut or killed, each append is carried out exactly once, in order', async (t) => {
  const world = await behindProxy(t);
  const { proxy, redis, through } = world;
  const seed = seedFrom(process.env.LATCHKEY_SEED);
  t.diagnostic(`LATCHKEY_SEED=${seed}`);
  const random = new Random(seed);
  const sent: string[] = [];
  const isOver = new AbortController();
  const breaking = (async () => {
    for (let round = 0; !isOver.signal.aborted; round += 1) {
      await sleep(random.between(0, 20));
      if (round % 3 === 0) proxy.cut();
      else if (round % 3 === 1) await redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      else proxy.cutWithin(() => random.between(0, 3));
      await sleep(random.between(0, 60));
      proxy.heal();
      await persistently(() => through.store.up(UP_MS));
    }
  })();
  for (let index = 0; index < 60; index += 1) {
    const request = await persistently(() => through.request([{ key: `k${index % 7}` }, { key: `l${index}` }]));
    const answer = await persistently(() => through.store.append(request));
    assert.deepEqual(answer, { kind: 'appended' });
    sent.push(request.record.token);
    through.know(request);
  }
  isOver.abort();
  await breaking;
  const all = await persistently(() => tokensOf(through));
  assert.deepEqual(all.slice(1), sent);
  assert.ok(proxy.bites > 0);
});

test('a script that the server forgot is sent along', async (t) => {
  const { open, redis } = await storeWorld(t);
  const writer = await open();
  await writer.put({ key: 'a' });
  for (let round = 0; round < 3; round += 1) {
    await redis.command('SCRIPT', 'FLUSH');
    assert.equal((await writer.put({ key: 'a' })).kind, 'appended');
    await redis.command('SCRIPT', 'FLUSH');
    assert.notEqual(await writer.store.tail(EMPTY_HEAD, { waitMs: 100, bytesMax: MIB }), 'behind');
  }
  assert.equal(writer.head.offset, 4);
});

test('two nodes that race append every change once, and see each other’s', async (t) => {
  const { open } = await storeWorld(t);
  const nodes = [await open(), await open()];
  const own = await Promise.all(
    nodes.map(async (node, number) => {
      const tokens: string[] = [];
      for (let index = 0; index < 40; index += 1) {
        let wantsTurn = 0;
        for (;;) {
          node.head = await node.store.head();
          const request = await node.request([{ key: `node${number}.${index}` }], { wantsTurn: wantsTurn > 5 });
          const answer = await node.append(request);
          if (answer.kind === 'appended') {
            tokens.push(request.record.token);
            break;
          }
          assert.ok(['moved', 'turn', 'other-run'].includes(answer.kind), answer.kind);
          if (answer.kind === 'turn') await sleep(answer.waitMs);
          wantsTurn += 1;
        }
      }
      return tokens;
    }),
  );
  const all = await tokensOf(nodes[0] as Writer);
  assert.equal(all.length, 80);
  assert.deepEqual(
    all.filter((token) => own[0]?.includes(token)),
    own[0],
  );
  assert.deepEqual(
    all.filter((token) => own[1]?.includes(token)),
    own[1],
  );
});

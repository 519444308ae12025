/**
 * The same commands to the gateway and to a real Redis: the replies are the same bytes. What differs on purpose stands in
 * docs/resp.md and is not said here.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DEFAULT_SETTINGS, type Settings } from '../../server/src/config/settings.ts';
import { startRedis } from '../support/redis.ts';
import { LISTS, TRANSACTIONS } from '../support/resp-command-lists.ts';
import { RespTalk, request, startResp } from '../support/resp-server.ts';
import type { Scope } from '../support/server-process.ts';

type LogKind = Settings['log']['kind'];

async function both(scope: Scope, kind: LogKind = 'local') {
  const redis = await startRedis(scope, { notifications: 'AKE' });
  // A log on a Redis has one of its own: in the one that is compared there is nothing but what is said.
  const url = kind === 'redis' ? (await startRedis(scope, { appendonly: true })).url : DEFAULT_SETTINGS.log.url;
  const resp = await startResp(scope, { log: { ...DEFAULT_SETTINGS.log, kind, url } });
  return {
    open: async () => ({
      theirs: await RespTalk.open(redis.port, scope),
      ours: await RespTalk.open(resp.port, scope),
    }),
  };
}

type Pair = { readonly theirs: RespTalk; readonly ours: RespTalk };

async function compare({ theirs, ours }: Pair, ...parts: readonly (string | Buffer)[]): Promise<string> {
  const [wanted, got] = await Promise.all([theirs.say(...parts), ours.say(...parts)]);
  assert.equal(got, wanted, `of ${parts.map((part) => JSON.stringify(String(part))).join(' ')}`);
  return got;
}

describe('the Redis gateway answers as a Redis does', () => {
  for (const [protocol, kind] of [
    ['2', 'local'],
    ['3', 'local'],
    ['2', 'redis'],
  ] as const) {
    it(`byte for byte in RESP${protocol} on the log ${kind}`, async (t) => {
      const { open } = await both(t, kind);
      for (const [name, list] of Object.entries(LISTS)) {
        const pair = await open();
        if (protocol === '3') await Promise.all([pair.theirs.say('HELLO', '3'), pair.ours.say('HELLO', '3')]);
        // Each list begins with an empty store.
        if (name !== 'strings') await Promise.all([pair.theirs.say('FLUSHALL'), clear(pair.ours)]);
        for (const line of list) await compare(pair, ...(typeof line === 'string' ? line.split(' ') : line));
      }
      const pair = await open();
      if (protocol === '3') await Promise.all([pair.theirs.say('HELLO', '3'), pair.ours.say('HELLO', '3')]);
      await Promise.all([pair.theirs.say('FLUSHALL'), clear(pair.ours)]);
      for (const list of TRANSACTIONS) {
        const bytes = Buffer.concat(list.split(' | ').map((line) => request(...line.split(' '))));
        const [wanted, got] = await Promise.all([pair.theirs.sayRaw(bytes), pair.ours.sayRaw(bytes)]);
        assert.equal(got, wanted, list);
      }
    });
  }

  for (const kind of ['local', 'redis'] as const)
    it(`to EXEC behind WATCH, by what others did to the key meanwhile, on the log ${kind}`, async (t) => {
      const { open } = await both(t, kind);
      const meanwhile = [
        'GET w',
        'SET other 1',
        'SET w 1',
        'SET w 1',
        'EXPIRE w 100',
        'PERSIST w',
        'DEL w',
        'DEL w',
        'HSET w a 1',
        'HGETALL w',
        'HSET w a 2',
        'HDEL w none',
        'HDEL w a',
        'SET w 2 PX 1',
      ];
      for (const protocol of ['2', '3']) {
        const pair = await open();
        const others = await open();
        if (protocol === '3') await Promise.all([pair.theirs.say('HELLO', '3'), pair.ours.say('HELLO', '3')]);
        for (const line of meanwhile) {
          await compare(pair, 'WATCH', 'w', 'v');
          await compare(others, ...line.split(' '));
          const bytes = Buffer.concat([request('MULTI'), request('SET', 'result', line), request('EXEC')]);
          const [wanted, got] = await Promise.all([pair.theirs.sayRaw(bytes), pair.ours.sayRaw(bytes)]);
          assert.equal(got, wanted, `behind ${line}`);
          await compare(pair, 'GET', 'result');
        }
      }
    });

  for (const kind of ['local', 'redis'] as const)
    it(`in subscriptions, keyspace events and messages, on the log ${kind}`, async (t) => {
      const { open } = await both(t, kind);
      for (const protocol of ['2', '3']) {
        const listening = await open();
        const acting = await open();
        const hear = async (needle: string) => {
          const [wanted, got] = await Promise.all([
            listening.theirs.raw.until(needle),
            listening.ours.raw.until(needle),
          ]);
          return [wanted.slice(0, wanted.lastIndexOf(needle)), got.slice(0, got.lastIndexOf(needle))];
        };
        const tell = (...parts: string[]) => {
          for (const talk of [listening.theirs, listening.ours]) talk.raw.write(request(...parts));
        };
        if (protocol === '3') await Promise.all([listening.theirs.say('HELLO', '3'), listening.ours.say('HELLO', '3')]);
        tell('SUBSCRIBE', 'one', 'two');
        tell('PSUBSCRIBE', '__key*__:*', 'o*');
        tell('PING', 'x');
        if (protocol === '2') tell('GET', 'a');
        tell('UNSUBSCRIBE', 'two');
        tell('PING', 'ready');
        await hear('ready');
        const name = `k${protocol}`;
        for (const line of [
          'PUBLISH one hello',
          'PUBLISH none hello',
          `SET ${name} 1`,
          `SET ${name} 2 EX 100`,
          `EXPIRE ${name} 50`,
          `PERSIST ${name}`,
          `DEL ${name}`,
          `HSET ${name} a 1`,
          `DEL ${name}`,
          `SET ${name} 1 PX 30`,
        ]) {
          await compare(acting, ...line.split(' '));
        }
        await hear(`__keyevent@0__:expired\r\n$2\r\n${name}`);
        tell('UNSUBSCRIBE');
        tell('PUNSUBSCRIBE');
        tell('PUNSUBSCRIBE');
        tell('PING', 'done');
        const [wanted, got] = await hear('done');
        // Without its number of connection, and the version: they differ.
        const plain = (text = '') => text.replace(/^[\s\S]*?(?=(?:\*|>)3\r\n\$9\r\nsubscribe)/, '');
        assert.equal(plain(got), plain(wanted));
      }
    });

  it('to what is not the protocol, and ends the connection as it does', async (t) => {
    const { open } = await both(t);
    const cases = [
      '*x\r\n',
      '*1\r\n+x\r\n',
      '*1\r\n$x\r\n',
      '*1\r\n$-1\r\n',
      '*1\r\n$1000000000000\r\n',
      '*9999999999\r\n',
      'set a "b\r\n',
      'x'.repeat(70_000),
      `*${'1'.repeat(70_000)}`,
      `*1\r\n$${'1'.repeat(70_000)}`,
      'POST / HTTP/1.1\r\nHost: x\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
      'QUIT\r\nPING\r\n',
      '*1\r\n$4\r\nQUIT\r\n',
    ];
    for (const bytes of cases) {
      const { theirs, ours } = await open();
      theirs.raw.write(bytes);
      ours.raw.write(bytes);
      const [wanted, got] = await Promise.all([theirs.raw.end(), ours.raw.end()]);
      assert.equal(got, wanted, JSON.stringify(bytes.slice(0, 40)));
    }
    const pair = await open();
    for (const bytes of [
      '*0\r\n',
      '*-1\r\n',
      '*-2\r\n',
      '\r\n',
      '   \r\n',
      'ping\n',
      'echo "a\\x41\\n"\r\n',
      "echo 'it\\'s'\r\n",
      'ECHO  x  \r\n',
    ]) {
      const [wanted, got] = await Promise.all([
        pair.theirs.sayRaw(Buffer.from(bytes)),
        pair.ours.sayRaw(Buffer.from(bytes)),
      ]);
      assert.equal(got, wanted, JSON.stringify(bytes));
    }
  });

  for (const kind of ['local', 'redis'] as const)
    it(`in random pipelines of commands over few keys, on the log ${kind}`, async (t) => {
      const { open } = await both(t, kind);
      const seed = Number(process.env.LATCHKEY_SEED ?? Math.floor(Math.random() * 2 ** 31));
      t.diagnostic(`seed ${seed}`);
      const key = fc.constantFrom('a', 'b', 'c');
      const value = fc.constantFrom('1', 'x', '{"n":1}', '[]', '{"deep":{"er":1}}', '', 'ü');
      const field = fc.constantFrom('f', 'g');
      // Fields of a JSON object that was SET can be read here: a SET is only followed by commands on strings in this list.
      const command = fc.oneof(
        fc.tuple(fc.constantFrom('GET', 'DEL', 'EXISTS', 'TYPE', 'TTL', 'STRLEN', 'PERSIST', 'GETDEL'), key),
        fc.tuple(fc.constant('SET'), key, value),
        fc.tuple(fc.constant('SET'), key, value, fc.constantFrom('NX', 'XX', 'GET', 'KEEPTTL')),
        fc.tuple(fc.constant('SETEX'), key, fc.constant('100'), value),
        fc.tuple(fc.constant('EXPIRE'), key, fc.constant('100')),
        fc.tuple(
          fc.constant('HSET'),
          field.map((name) => `h${name}`),
          field,
          fc.constantFrom('1', 'x', '2.50'),
        ),
        fc.tuple(
          fc.constant('HDEL'),
          field.map((name) => `h${name}`),
          field,
        ),
        fc.tuple(
          fc.constantFrom('HGETALL', 'HLEN', 'GET', 'DEL', 'EXISTS', 'TYPE'),
          field.map((name) => `h${name}`),
        ),
        fc.constantFrom(['PING'], ['DBSIZE'], ['MGET', 'a', 'b', 'ha'], ['FOO']),
        fc
          .array(fc.tuple(fc.constantFrom('GET', 'DEL'), key), { maxLength: 4 })
          .map((list) => ['MULTI', ...list.map((one) => one.join(' ')), 'EXEC']),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 40 }), async (commands) => {
          const pair = await open();
          const bytes = Buffer.concat(
            commands.flatMap((parts) =>
              parts[0] === 'MULTI' ? parts.map((part) => request(...part.split(' '))) : [request(...parts)],
            ),
          );
          const [wanted, got] = await Promise.all([pair.theirs.sayRaw(bytes), pair.ours.sayRaw(bytes)]);
          pair.theirs.raw.socket.destroy();
          pair.ours.raw.socket.destroy();
          assert.equal(got, wanted);
        }),
        { numRuns: 150, seed },
      );
    });
});

async function clear(talk: RespTalk): Promise<void> {
  const keys = await talk.say('KEYS', '*');
  const names = [...keys.matchAll(/\$\d+\r\n(.*?)\r\n/g)].map((found) => Buffer.from(found[1] as string, 'latin1'));
  if (names.length > 0) await talk.say('DEL', ...names);
}

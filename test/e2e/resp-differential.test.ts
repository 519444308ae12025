/**
 * The same commands to the gateway and to a real Redis: the replies are the same bytes. What differs on purpose stands in
 * docs/resp.md and is not said here.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { startRedis } from '../support/redis.ts';
import { RespTalk, request, startResp } from '../support/resp-server.ts';
import type { Scope } from '../support/server-process.ts';

async function both(scope: Scope) {
  const redis = await startRedis(scope, { notifications: 'AKE' });
  const resp = await startResp(scope);
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

/** Words split at blanks; what needs more is given as a list. */
const LISTS: Readonly<Record<string, readonly (string | readonly (string | Buffer)[])[]>> = {
  strings: [
    'GET absent',
    'SET a 1',
    'get a',
    'GeT a',
    'SET a',
    'SET',
    'GET',
    'GET a b',
    ['SET', 'json', '{"a": 1.0,\n "b":[1,2]}'],
    'GET json',
    ['SET', 'bytes', Buffer.from([0, 255, 13, 10, 254])],
    'GET bytes',
    ['SET', 'empty', ''],
    'GET empty',
    'STRLEN empty',
    'STRLEN bytes',
    'STRLEN absent',
    ['SET', 'text', 'äöü 🔋'],
    'GET text',
    'STRLEN text',
    'GETRANGE text 0 1',
    'GETRANGE text -4 -1',
    'GETRANGE text 2 1',
    'GETRANGE absent 0 -1',
    'SET a 2 NX',
    'SET new 2 NX',
    'SET a 3 XX',
    'SET none 3 XX',
    'GET none',
    'SET a 4 GET',
    'SET fresh 4 GET',
    'SET a 5 XX GET',
    'SET a 5 NX XX',
    'SET a 5 EX',
    'SET a 5 EX 0',
    'SET a 5 EX -1',
    'SET a 5 EX abc',
    'SET a 5 EX 1.5',
    'SET a 5 EX 10 PX 10',
    'SET a 5 EX 10 KEEPTTL',
    'SET a 5 FOO',
    'SET a 5 EX 100',
    'TTL a',
    'SET a 6 KEEPTTL',
    'TTL a',
    'SET a 7',
    'TTL a',
    'SET a 8 EXAT 1',
    'GET a',
    'SET a 8 PXAT 99999999999999',
    'GET a',
    'MSET m1 1 m2 2',
    'MSET m1',
    'MSET m1 1 m2',
    'MGET m1 absent m2',
    'MGET',
    'SETEX s 100 v',
    'TTL s',
    'SETEX s 0 v',
    'SETEX s x v',
    'PSETEX s 100000 v',
    'TTL s',
    'SETNX s w',
    'SETNX s2 w',
    'GETSET s2 x',
    'GETSET s3 x',
    'GETDEL s3',
    'GETDEL s3',
    'GETEX s2 EX 100',
    'TTL s2',
    'GETEX s2 PERSIST',
    'TTL s2',
    'GETEX s2',
    'GETEX s2 EX',
    'GETEX s2 FOO 1',
    'GETEX absent EX 100',
  ],
  keys: [
    'MSET a 1 b 2 c 3',
    'EXISTS a b a absent',
    'TOUCH a absent',
    'DEL a a absent',
    'UNLINK b',
    'DEL',
    'TYPE a',
    'TYPE c',
    'TTL absent',
    'PTTL absent',
    'TTL c',
    'EXPIRE c 100',
    'EXPIRE c x',
    'EXPIRE absent 100',
    'TTL c',
    'PERSIST c',
    'PERSIST c',
    'PERSIST absent',
    'PEXPIRE c 100000',
    'TTL c',
    'EXPIREAT c 99999999999',
    'PEXPIREAT c 1',
    'EXISTS c',
    'SET c 1',
    'EXPIRE c -1',
    'EXISTS c',
    'SET only 1',
    'KEYS on?y',
    'KEYS zz*',
    'KEYS',
    'SCAN 0 MATCH only COUNT 1000',
    'SCAN 0 MATCH only COUNT 1000 TYPE hash',
    'SCAN x',
    'SCAN 0 COUNT 0',
    'SCAN 0 COUNT',
    'SCAN 0 FOO 1',
    'DBSIZE',
  ],
  hashes: [
    'HSET h f1 v1 f2 v2',
    'HSET h f1 v3 f3 v4',
    'HSET h f1 v1',
    'HSET h f1',
    'HSET h',
    'HGET h f1',
    'HGET h none',
    'HGET absent f',
    'HMGET h f1 none f3',
    'HGETALL h',
    'HGETALL absent',
    'HKEYS h',
    'HVALS h',
    'HLEN h',
    'HLEN absent',
    'HEXISTS h f1',
    'HEXISTS h none',
    'TYPE h',
    'GET h',
    'STRLEN h',
    'MGET h absent',
    'SET h x GET',
    'GETSET h x',
    'GETDEL h',
    'EXPIRE h 100',
    'HSET h f9 v9',
    'TTL h',
    'HDEL h f1 none',
    'HDEL absent f',
    'HDEL h f2 f3 f9',
    'EXISTS h',
    'HMSET h a 1 b 2',
    'HGETALL h',
    ['HSET', 'h', 'text', 'a "b" \\ ü\n'],
    'HGET h text',
    ['HSET', 'h', '__proto__', 'x', '', 'nothing'],
    'HGETALL h',
    'SET h now-a-string',
    'TYPE h',
    'HGET h a',
    'HSET h a 1',
    'HDEL h a',
    'HGETALL h',
    'GET h',
  ],
  connection: [
    'PING',
    'PING hello',
    'PING a b',
    'ECHO x',
    'ECHO',
    'SELECT 0',
    'SELECT 99',
    'SELECT x',
    'AUTH secret',
    'AUTH default secret',
    'AUTH other secret',
    'CLIENT SETNAME worker',
    'CLIENT GETNAME',
    ['CLIENT', 'SETNAME', 'a b'],
    'CLIENT GETNAME x',
    'CLIENT NO-EVICT on',
    'HELLO 4',
    'HELLO x',
    'CONFIG GET notify-keyspace-events',
    'CONFIG GET maxmemory-policy',
    'CONFIG GET nothing-of-the-kind',
    'CONFIG SET notify-keyspace-events KEA',
    'FOO',
    'FOO bar baz',
    ['FOO', 'a\r\nb', 'x'.repeat(300)],
    'COMMAND INFO get',
    'PUBSUB NUMPAT',
    'PUBSUB NUMSUB a b',
    'PUBSUB CHANNELS',
    'RESET',
  ].filter((line) => line !== 'COMMAND INFO get'),
};

/** Each is one pipeline that ends outside of MULTI. */
const TRANSACTIONS = [
  'EXEC',
  'DISCARD',
  'MULTI | MULTI | SET t 1 | GET t | INCORRECT | EXEC',
  'MULTI | SET t 1 | GET t | HSET th a 1 | HGETALL th | HDEL th a | EXISTS th | SET t 2 NX | DEL t none | GET t | PING | PUBLISH c m | EXEC',
  'MULTI | EXEC',
  'SET t 1 | MULTI | GET t | DISCARD | GET t',
  'MULTI | GET | EXEC | GET t',
  'SET t x | MULTI | HSET t a 1 | GET t | EXPIRE t 100 | TTL t | PERSIST t | DBSIZE | EXEC | GET t',
  'MULTI | PING | PING | EXEC | PING',
  'MULTI | SET t 1 | RESET | GET t',
];

describe('the Redis gateway answers as a Redis does', () => {
  for (const protocol of ['2', '3']) {
    it(`byte for byte in RESP${protocol}`, async (t) => {
      const { open } = await both(t);
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

  it('in subscriptions, keyspace events and messages', async (t) => {
    const { open } = await both(t);
    for (const protocol of ['2', '3']) {
      const listening = await open();
      const acting = await open();
      const hear = async (needle: string) => {
        const [wanted, got] = await Promise.all([listening.theirs.raw.until(needle), listening.ours.raw.until(needle)]);
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

  it('in random pipelines of commands over few keys', async (t) => {
    const { open } = await both(t);
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

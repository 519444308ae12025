/** The id set that a sink keeps on its Redis, asked of that Redis and of the gateway. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startRedis } from '../support/redis.ts';
import { RespTalk, request } from '../support/resp-server.ts';
import { type Scope, ServerProcess } from '../support/server-process.ts';

const SET = 'info:batteries:ids';

async function world(scope: Scope) {
  const redis = await startRedis(scope);
  const indexSet = { key: SET, fromKey: 'battery:{site}:{{x}}:{id}', member: '{id}@{site}' };
  const filter = { keys: ['battery:a:{x}:1'], patterns: ['battery:[ngs]*'], prefixes: ['battery:last'] };
  const sinks = JSON.stringify([{ name: 'ids', kind: 'redis', url: redis.url, channel: '{key}', indexSet, ...filter }]);
  const server = await ServerProcess.start({ args: ['--resp', '127.0.0.1:0'], env: { LATCHKEY_SINKS: sinks } }, scope);
  const told = server.records.find(({ message }) => String(message).startsWith('resp: listening'));
  return {
    theirs: await RespTalk.open(redis.port, scope),
    listener: await RespTalk.open(redis.port, scope),
    ours: await RespTalk.open(Number(told?.port), scope),
  };
}

/** The parts of a reply, in an order of their own: a set has none. */
const sorted = (reply: string) => reply.split('\r\n').sort();

describe('the id set of a sink', () => {
  it('has the same members at the gateway as on the sink’s Redis', async (t) => {
    const { listener, ours, theirs } = await world(t);
    const keys = [
      'battery:north:{x}:7',
      'battery:north:{x}:12',
      'battery:süd:{x}:7:8',
      'battery:none',
      'battery::{x}:1',
      'battery:left-out:{x}:1',
    ];
    for (const key of keys) await ours.say('SET', key, '{"soc":1}');
    await ours.say('SET', 'battery:gone:{x}:1', 'x');
    await ours.say('DEL', 'battery:gone:{x}:1');
    // Who hears of the last one finds all of them in the set.
    const last = 'battery:last:{x}:9';
    listener.raw.write(request('SUBSCRIBE', last));
    await listener.raw.until('subscribe');
    await ours.say('SET', last, '1');
    await listener.raw.until('message');
    for (const protocol of ['2', '3']) {
      await Promise.all([theirs.say('HELLO', protocol), ours.say('HELLO', protocol)]);
      assert.deepEqual(sorted(await ours.say('SMEMBERS', SET)), sorted(await theirs.say('SMEMBERS', SET)));
      for (const line of [
        `SCARD ${SET}`,
        `SISMEMBER ${SET} 7@north`,
        `SISMEMBER ${SET} 1@gone`,
        `SISMEMBER ${SET} 1@left-out`,
        `SISMEMBER ${SET} north`,
        `SMISMEMBER ${SET} 12@north 7:8@süd 8@nowhere`,
        `TYPE ${SET}`,
        `SISMEMBER ${SET}`,
        'SMEMBERS none',
        'SCARD none',
        'SISMEMBER none 1',
        'SMISMEMBER none 1 2',
      ])
        assert.equal(await ours.say(...line.split(' ')), await theirs.say(...line.split(' ')), line);
    }
  });

  it('is as writes before it in a pipeline leave it, and takes no part in what is no set', async (t) => {
    const { ours } = await world(t);
    const key = 'battery:a:{x}:1';
    const bytes = [
      ['SET', key, '1'],
      ['SISMEMBER', SET, '1@a'],
      ['SCARD', SET],
      ['DEL', key],
      ['SISMEMBER', SET, '1@a'],
      ['SMEMBERS', SET],
      ['MULTI'],
      ['SET', key, '1'],
      ['SISMEMBER', SET, '1@a'],
      ['EXEC'],
      ['SMEMBERS', key],
      ['SISMEMBER', key, '1'],
    ].map((parts) => request(...parts));
    const wrong = '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n';
    assert.equal(
      await ours.sayRaw(Buffer.concat(bytes)),
      `+OK\r\n:1\r\n:1\r\n:1\r\n:0\r\n*0\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:1\r\n${wrong}${wrong}`,
    );
  });
});

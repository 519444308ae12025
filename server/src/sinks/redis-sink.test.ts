// What the sink does on a real Redis beside the promises of every sink: the set, the fence, and what an operator has to mend.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { put, submit } from '../../../test/conformance/log-tools.ts';
import type { SinkChoice } from '../../../test/conformance/sink.suite.ts';
import type { RedisSinkSettings } from '../config/flow-settings.ts';
import { type LocalProbe, makeLocalProbe } from '../log/local-probe.fixture.ts';
import type { Log } from '../log/log.ts';
import { makeRedisProbe, type RedisSinkProbe } from './redis-probe.fixture.ts';
import type { Sink } from './sink.ts';

const BATTERIES = { key: 'info:batteries:ids', fromKey: 'battery:{battery_id}:data', member: '{battery_id}' };
const NOTIFY = { patterns: ['battery:*:data'], payload: 'updates', indexSet: BATTERIES };

describe('the sink redis', { timeout: 60_000 }, () => {
  let probe: RedisSinkProbe;
  let logs: LocalProbe;
  let log: Log;
  let sinks: Sink[] = [];

  beforeEach(async () => {
    probe = await makeRedisProbe();
    logs = await makeLocalProbe();
    log = await logs.open();
  });
  afterEach(async () => {
    await Promise.all(sinks.map((sink) => sink.close()));
    sinks = [];
    await logs.close();
    await probe.close();
  });

  function start(settings: Partial<RedisSinkSettings> = {}, choice: Partial<SinkChoice> = {}): Sink {
    const sink = probe.makeSink({ log, clock: logs.clock, ...choice }, settings);
    sinks.push(sink);
    sink.start();
    return sink;
  }
  const members = async () => ((await probe.redis.command('SMEMBERS', BATTERIES.key)) as string[]).sort();
  const published = (count: number) => probe.until(`${count} messages`, () => probe.messages.length >= count);

  test('tells a new battery as RedisBackendMS does: its id in the set, the word on the channel of its key', async () => {
    start(NOTIFY);
    await submit(log, [put('battery:7:data', { soc: 81 }), put('weather', 1), put('battery:a:b:data', { soc: 1 })]);
    await published(2);
    assert.deepEqual(probe.messages, [
      { channel: 'battery:7:data', payload: 'updates' },
      { channel: 'battery:a:b:data', payload: 'updates' },
    ]);
    assert.deepEqual(await members(), ['7', 'a:b']);
    await submit(log, [{ op: 'remove', key: 'battery:7:data' }]);
    await published(3);
    assert.deepEqual(await members(), ['a:b']);
  });

  test('a key of another type in the place of the set stops this sink, which says so, and no other', async () => {
    await probe.redis.command('SET', BATTERIES.key, 'text');
    const stuck = start(NOTIFY);
    start({ name: 'other', channel: 'all', payload: '{key}' });
    await submit(log, [put('battery:7:data', {})]);
    await probe.until(
      'the reason',
      () => stuck.state().reason !== undefined && !stuck.state().isReady && /string/.test(String(stuck.state().reason)),
    );
    assert.match(
      String(stuck.state().reason),
      /info:batteries:ids.* holds a string, where the sink notify keeps a set\. Rename or delete/,
    );
    await published(1);
    assert.deepEqual(probe.messages, [{ channel: 'all', payload: 'battery:7:data' }]);
    await probe.redis.command('DEL', BATTERIES.key);
    await published(2);
    assert.deepEqual(await members(), ['7']);
    assert.ok(stuck.state().isReady);
  });

  test('a script that Redis forgot is sent again', async () => {
    start(NOTIFY);
    await submit(log, [put('battery:1:data', {})]);
    await published(1);
    await probe.redis.command('SCRIPT', 'FLUSH');
    await submit(log, [put('battery:2:data', {})]);
    await published(2);
  });

  test('a user without the right to a channel is told, and goes on once there is one', async () => {
    await probe.redis.command('ACL', 'SETUSER', 'sink', 'on', '>pw', '~latchkey:*', '~info:*', '&other', '+@all');
    const url = probe.redis.url.replace('redis://', 'redis://sink:pw@');
    const sink = start({ ...NOTIFY, url });
    await submit(log, [put('battery:1:data', {})]);
    await probe.until('the reason', () => !sink.state().isReady && /permit/.test(String(sink.state().reason)));
    assert.match(String(sink.state().reason), /does not permit this user a key or channel/);
    assert.doesNotMatch(String(sink.state().reason), /pw/);
    await probe.redis.command('ACL', 'SETUSER', 'sink', 'allchannels');
    await published(1);
  });

  test('once removals were collected that it missed, the set loses what is gone and keeps what others have there', async () => {
    await log.close();
    log = await logs.open((settings) => ({ ...settings, tombstones: { ageMaxMs: 1000 } }));
    const first = start(NOTIFY);
    await submit(log, [put('battery:1:data', {}), put('battery:2:data', {}), put('battery:3:data', {})]);
    await published(3);
    await first.close();
    // The value of 3 lies on this Redis, as where the log is there too and has yet to see it.
    await probe.redis.command('SET', 'battery:3:data', '{}');
    await submit(log, [
      { op: 'remove', key: 'battery:1:data' },
      { op: 'remove', key: 'battery:3:data' },
    ]);
    logs.clock.advance(5000);
    await logs.settleDue(log);
    await submit(log, [put('battery:4:data', {})]);
    assert.ok(log.view.tombstoneFloor(0) > 0);
    start(NOTIFY);
    await probe.until('the last', () => probe.messages.at(-1)?.channel === 'battery:4:data');
    assert.deepEqual(await members(), ['2', '3', '4']);
  });

  test('a log that was put back to an older copy goes on under fences of its own', async () => {
    const first = start(NOTIFY);
    await submit(log, [put('battery:1:data', {})]);
    await published(1);
    await first.close();
    const [fenceKey] = (await probe.redis.command('KEYS', 'latchkey:main:sink:notify:*')) as string[];
    await probe.redis.command('SET', fenceKey as string, '99');
    const again = start(NOTIFY);
    await submit(log, [put('battery:2:data', {})]);
    await published(2);
    assert.ok(again.state().isReady);
    assert.equal(((await probe.redis.command('KEYS', 'latchkey:main:sink:notify:*')) as string[]).length, 2);
  });

  test('a fence that is later than its own keeps every message of the page back', async () => {
    const sink = start(NOTIFY);
    await submit(log, [put('battery:1:data', {})]);
    await published(1);
    const [fenceKey] = (await probe.redis.command('KEYS', 'latchkey:main:sink:notify:*')) as string[];
    // Another holder was there; until the lease is asked for, this one does not know.
    await probe.redis.command('SET', fenceKey as string, '99');
    await submit(log, [put('battery:2:data', {}), put('battery:3:data', {})]);
    await probe.until('it left', () => !sink.state().isHolder);
    assert.equal(probe.messages.length, 1);
    assert.deepEqual(await members(), ['1']);
  });
});

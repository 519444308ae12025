import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { jsonOf } from '../../../test/conformance/log-tools.ts';
import { sourceSuite } from '../../../test/conformance/source.suite.ts';
import { eventually } from '../../../test/support/waiting.ts';
import type { RedisPubsubSettings } from '../config/flow-settings.ts';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import { sourceFormat } from '../formats/source-format.ts';
import { type LocalProbe, makeLocalProbe } from '../log/local-probe.fixture.ts';
import type { Log } from '../log/log.ts';
import { Channels } from '../shared/channels.ts';
import { systemClock } from '../shared/clock.ts';
import { PlainValues } from './plain-values.ts';
import type { RedisPubsub, RedisPubsubParts } from './redis-pubsub.ts';
import { makePubsubProbe, type PubsubProbe } from './redis-pubsub-probe.fixture.ts';
import type { SourceGap } from './source.ts';

sourceSuite('redis-pubsub', makePubsubProbe);

describe('source redis-pubsub', () => {
  let probe: PubsubProbe;
  let logs: LocalProbe;
  let log: Log;
  const sources: RedisPubsub[] = [];

  beforeEach(async () => {
    probe = await makePubsubProbe();
    logs = await makeLocalProbe();
    log = await logs.open();
  });
  afterEach(async () => {
    await Promise.all(sources.splice(0).map((source) => source.close()));
    await logs.close();
    await probe.close();
  });

  const start = async (...[settings, parts]: [Partial<RedisPubsubSettings>?, Partial<RedisPubsubParts>?]) => {
    const source = probe.makeSource(log, 2000, settings, parts);
    sources.push(source);
    source.start();
    await eventually('a source that takes messages', () => source.state().isReady && source.state().isHolder);
    return source;
  };
  const has = (key: string, value: number) => eventually(`${key}=${value}`, () => jsonOf(log, key) === value);
  /** Whether it waited for its connection at first is a matter of timing. */
  const ownLines = () => probe.lines.filter((line) => !/source s: |source s takes messages again/.test(line));
  const gapOf = (source: RedisPubsub) => source.state().lastGap as SourceGap;

  test('takes a message once, whatever channels and patterns it comes by', async () => {
    await start({ channels: ['a.1', 'b'], patterns: ['a.*', '*.1', 'c?'] });
    assert.equal(await probe.publish('a.1', 'n=1'), 3);
    assert.equal(await probe.publish('x.1', 'n=2'), 1);
    assert.equal(await probe.publish('cé', 'n=3'), 0);
    await probe.publish('b', 'n=4');
    await probe.publish('cd', 'n=5');
    await has('n', 5);
    assert.equal(log.view.head(0), 4);
  });

  test('tells from when to when it may have missed messages, and has a notice of it for a while', async () => {
    const before = systemClock.nowMicros();
    const source = await start({}, { noticeMs: 1e9 });
    await probe.send('n=1');
    await has('n', 1);
    assert.deepEqual([source.state().gaps, source.state().notice], [0, undefined]);
    await probe.cut();
    await eventually('a source that waits', () => !source.state().isReady);
    const cut = systemClock.nowMicros();
    await probe.restore();
    await eventually('a gap', () => source.state().gaps === 1);
    const { from, reason, to } = gapOf(source);
    assert.ok(before <= from && from <= cut && cut <= to && to <= systemClock.nowMicros(), `${from} ${cut} ${to}`);
    assert.match(reason, /^the subscription to redis:\/\/127\.0\.0\.1:\d+ was interrupted$/);
    assert.match(
      source.state().notice ?? '',
      /^may have missed messages from 20\d\d-.*Z to 20\d\d-.*Z: the subscription/,
    );
    assert.match(probe.lines.join('\n'), /WARN source s may have missed messages from .*; their senders must/);
    assert.ok(source.state().isReady);
  });

  test('a connection that is killed is made anew, and is a gap', async () => {
    const source = await start();
    const clients = String(await probe.redis.command('CLIENT', 'LIST'));
    const id = /id=(\d+) .* name=latchkey-source-s /.exec(clients)?.[1] ?? '';
    await probe.redis.command('CLIENT', 'KILL', 'ID', id);
    await eventually('a gap', () => source.state().gaps === 1);
    await probe.send('n=1');
    await has('n', 1);
  });

  test('a server that answers nothing any more is noticed', async () => {
    const source = await start({}, { answerMaxMs: 300 });
    probe.redis.pause();
    await eventually('a source that waits', () => !source.state().isReady).finally(() => probe.redis.resume());
    await eventually('a gap', () => source.state().gaps === 1);
    await probe.send('n=1');
    await has('n', 1);
  });

  test('says that a user may not hear a channel, and hears it once it may', async () => {
    await probe.redis.command('ACL', 'SETUSER', 'reader', 'on', '>secret', '+@all', '~*', 'resetchannels');
    const source = probe.makeSource(log, 2000, { url: probe.redis.url.replace('//', '//reader:secret@') });
    sources.push(source);
    source.start();
    await eventually('a reason', () => /does not permit connecting to this user/.test(source.state().reason ?? ''));
    assert.doesNotMatch(probe.lines.join('\n'), /secret/);
    await probe.redis.command('ACL', 'SETUSER', 'reader', '&update');
    await eventually('a source that takes messages', () => source.state().isReady && source.state().isHolder);
    await probe.send('n=1');
    await has('n', 1);
  });

  test('what was published in this process and the log did not take when it ends is told', async () => {
    const channels = new Channels({ reportFault: (_, error) => assert.fail(String(error)) });
    const refusing = new Proxy(log, {
      get: (target, name) =>
        name === 'submit'
          ? () => Promise.reject(new LatchkeyError('storage-full', 'The disk is full.', { retryAfter: 1 }))
          : Reflect.get(target, name, target),
    });
    const source = await start({ url: 'resp' }, { channels, log: refusing });
    channels.publish('update', Buffer.from('n=1'));
    await eventually('a reason', () => source.state().reason === 'The disk is full.');
    channels.publish('update', Buffer.from('n=2'));
    await source.close();
    assert.equal(probe.lines.at(-1), 'ERROR source s ends with 2 messages that the log did not take');
  });

  test('what comes while no node runs is a gap once one does', async () => {
    const first = await start();
    await probe.send('n=1');
    await has('n', 1);
    await first.close();
    const closed = systemClock.nowMicros();
    await probe.send('n=2');
    const second = await start();
    await eventually('a gap', () => second.state().gaps === 1);
    const { from, reason, to } = gapOf(second);
    assert.ok(from <= closed && closed <= to && to <= systemClock.nowMicros());
    assert.equal(reason, 'no node was subscribed');
    await probe.send('n=3');
    await has('n', 3);
  });

  test('holds no more than its bounds while the log takes nothing, and reports what it had to forget', async () => {
    let isFull = true;
    const submit: Log['submit'] = (batch) =>
      isFull && batch.commands.length > 0
        ? Promise.reject(new LatchkeyError('storage-full', 'The disk is full.', { retryAfter: 1 }))
        : log.submit(batch);
    const slow = new Proxy(log, {
      get: (target, name) => {
        const value = name === 'submit' ? submit : Reflect.get(target, name, target);
        return typeof value === 'function' && name !== 'submit' ? value.bind(target) : value;
      },
    });
    const source = await start({}, { log: slow, bounds: { countMax: 50, bytesMax: 1e6 } });
    await probe.send('n=0');
    await eventually('a reason', () => source.state().reason === 'The disk is full.');
    await probe.send(...Array.from({ length: 200 }, (_, index) => `n=${index + 1}`));
    await eventually('all of them', () => source.state().received === 201);
    assert.equal(source.state().waiting, 50);
    assert.ok((source.state().lagMs as number) >= 0);
    isFull = false;
    await has('n', 200);
    assert.equal(log.view.head(0), 51, 'the one that was under way, and the last 50');
    assert.equal(gapOf(source).reason, 'more came than the log could take');
    assert.equal(source.state().gaps, 1);
  });

  test('says what KVUpdater says of a message, at the same level', async () => {
    const format = sourceFormat(
      { format: { kind: 'kvupdater' }, keyPrefix: '', late: 'refuse', recordEqual: false },
      DEFAULT_SETTINGS.limits,
    );
    const source = await start({ validate: true }, { format });
    await probe.send('{"type":"weather","values":{"temp":1}}', '{"type":"weather","values":[]}', '{no');
    await eventually('a line for each', () => ownLines().length === 4);
    assert.equal(source.state().deadLettered, 2);
    assert.equal(ownLines()[0], "INFO Listening for messages on 'update'...");
    // Those of one step are told together.
    assert.deepEqual(ownLines().toSorted(), [
      'ERROR Failed to decode JSON message.',
      'INFO Data validation successful.',
      "INFO Listening for messages on 'update'...",
      'WARN Invalid message format. values is empty, so nothing was stored; it got [].',
    ]);
  });

  test('a value that is not there as it was written is told, counted and written again (validate)', async () => {
    // The log's own values, as a log that keeps them on this Redis would: the first write of a key is spoiled.
    const kept = new PlainValues({ url: probe.redis.url, sentinels: [], sentinelName: '', caFile: '' }, 'validate');
    const spoiled = new Set<string>();
    const submit: Log['submit'] = async (batch) => {
      const settled = await log.submit(batch);
      for (const command of batch.commands) {
        if (!('op' in command) || command.op !== 'put') continue;
        const { key } = command;
        const data = String(log.view.get(key)?.value?.data);
        await probe.redis.command('SET', key, spoiled.has(key) || key === 'good' ? data : 'spoiled');
        spoiled.add(key);
      }
      return settled;
    };
    const own = new Proxy(log, {
      get: (target, name) => {
        const value = name === 'submit' ? submit : Reflect.get(target, name, target);
        return typeof value === 'function' && name !== 'submit' ? value.bind(target) : value;
      },
    });
    const source = await start({ validate: true }, { log: own, kept });
    await probe.send('good=1', 'bad=2');
    await eventually('a difference', () => source.state().differences === 1);
    await eventually('the repair', async () => (await probe.redis.command('GET', 'bad')) === '2');
    await eventually('three lines', () => ownLines().length === 3);
    assert.deepEqual(ownLines().toSorted(), [
      'ERROR Data validation failed: the value read back is not the one written; it is written again.',
      'INFO Data validation successful.',
      "INFO Listening for messages on 'update'...",
    ]);
    assert.equal(log.view.get('bad')?.offset, 3);
  });

  test('hears what is published in this process, by every node that has its own gateway', async () => {
    const channels = new Channels({ reportFault: (_, error) => assert.fail(String(error)) });
    const settings = { url: 'resp', patterns: ['up*', '*'] } as const;
    const first = await start(settings, { channels });
    const others = new Channels({ reportFault: (_, error) => assert.fail(String(error)) });
    const second = await start(settings, { channels: others });
    channels.publish('update', Buffer.from('n=1'));
    await has('n', 1);
    others.publish('upwards', Buffer.from('n=2'));
    await has('n', 2);
    assert.equal(log.view.head(0), 2);
    await first.close();
    assert.equal(channels.publish('update', Buffer.from('n=3')), 0);
    assert.deepEqual([first.state().gaps, second.state().gaps], [0, 0]);
    assert.deepEqual(await log.progress('s'), {});
  });
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { announcementsOf, type LagOptions, type Plan, planOf, shownPath, shownPlace } from './plan.ts';

const plan = (options: Partial<LagOptions> = {}) => planOf({ channel: 'latchkey-lag', ...options }, {});
const observed = ({ observers }: Plan) =>
  observers.map((each) => `${shownPath(each)}+${each.style}@${shownPlace(each.place)}`);
const REDIS = 'redis://user:secret@10.0.0.1:6380/2';

describe('what latchkey lag is told', () => {
  test('nothing: the server by its three paths', () => {
    const given = plan();
    assert.deepEqual(observed(given), [
      'sse+callback@http://127.0.0.1:23333',
      'websocket+callback@http://127.0.0.1:23333',
      'poll:100ms+callback@http://127.0.0.1:23333',
    ]);
    assert.deepEqual([given.key, given.count, given.intervalMs, given.handshake], ['latchkey-lag', 100, 20, undefined]);
  });

  test('a writer on a Redis: its own paths there, and no password is shown', () => {
    assert.deepEqual(observed(plan({ writer: REDIS })), [
      'keyspace+callback@redis://10.0.0.1:6380/2',
      'tracking+callback@redis://10.0.0.1:6380/2',
      'poll:100ms+callback@redis://10.0.0.1:6380/2',
    ]);
  });

  test('an observer has its own place and style, others have both styles, and a poll has none to choose', () => {
    const given = plan({
      writer: REDIS,
      style: 'both',
      observe: ['keyspace+iterator@redis://b', 'tracking', 'poll:1s', 'sse@https://c:444/x'],
    });
    assert.deepEqual(observed(given), [
      'keyspace+iterator@redis://b',
      'tracking+callback@redis://10.0.0.1:6380/2',
      'tracking+iterator@redis://10.0.0.1:6380/2',
      'poll:1000ms+callback@redis://10.0.0.1:6380/2',
      'sse+callback@https://c:444/x',
      'sse+iterator@https://c:444/x',
    ]);
  });

  test('keyDB-POC: its keys, its ten seconds, until it is interrupted, in both styles', () => {
    const given = plan({ writer: 'redis://keydb_01', seedOutput: true });
    assert.deepEqual(observed(given), ['keyspace+callback@redis://keydb_01', 'keyspace+iterator@redis://keydb_01']);
    assert.deepEqual(
      [given.key, given.handshake, given.intervalMs, given.count],
      ['shared_key', 'handshake_key', 10_000, Number.POSITIVE_INFINITY],
    );
  });

  test('a write feeds the channel and the stream only where somebody may listen to them', () => {
    assert.deepEqual(announcementsOf(plan({ writer: REDIS })), {});
    assert.deepEqual(announcementsOf(plan({ writer: REDIS, observe: ['pubsub'] })), { channel: 'latchkey-lag' });
    assert.deepEqual(announcementsOf(plan({ writer: REDIS, only: 'writer' })), {
      channel: 'latchkey-lag',
      stream: 'latchkey-lag.stream',
    });
    assert.deepEqual(announcementsOf(plan({ writer: REDIS, only: 'writer', seedOutput: true })), {});
  });

  test('what it does not take is refused with what it takes', () => {
    const wrong: readonly [Partial<LagOptions>, RegExp][] = [
      [
        { observe: ['keyspaces'] },
        /--observe takes PATH\[\+STYLE\]\[@URL\] with one of keyspace, tracking, .* got "keyspaces"/,
      ],
      [{ observe: ['sse:100ms'] }, /got "sse:100ms"/],
      [{ observe: ['keyspace'] }, /keyspace is one of a Redis: say where, such as keyspace@redis:/],
      [{ observe: ['sse'], writer: REDIS }, /sse is one of a Latchkey server: say where, such as sse@http:/],
      [{ observe: ['stream@redis://a'] }, /stream needs a writer that adds to one/],
      [{ observe: ['poll:100'] }, /write 100s or 100ms/],
      [{ observe: ['poll:0'] }, /poll takes a time from 1ms/],
      [{ observe: Array.from({ length: 101 }, () => 'sse') }, /At most 100 observers/],
      [{ writer: 'ftp://a' }, /--writer takes a URL of redis:/],
      [{ style: 'loop' }, /--style takes callback, iterator, both/],
      [{ count: '1', only: 'reader' }, /--only takes writer, observers, both/],
      [{ interval: '25h' }, /at most 24h/],
      [{ count: '0' }, /--count takes a whole number from 1/],
      [{ count: '1000001' }, /at most 1000000/],
      [{ key: 'a', handshake: 'a' }, /another key than --key/],
      [{ seedOutput: true, json: true }, /leave --json out/],
    ];
    for (const [options, says] of wrong) {
      assert.throws(
        () => plan(options),
        (error) => error instanceof LatchkeyError && error.code === 'usage' && says.test(error.message),
        JSON.stringify(options),
      );
    }
  });
});

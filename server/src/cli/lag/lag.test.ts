// The command against a real Redis and a real server, each path with values that it must not lose.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { FaultProxy } from '../../../../test/support/fault-proxy.ts';
import { redisPrograms, startRedis } from '../../../../test/support/redis.ts';
import {
  BIN,
  cleanEnvironment,
  runLatchkey,
  type Scope,
  ServerProcess,
} from '../../../../test/support/server-process.ts';
import { markerOf } from './marker.ts';

interface Figures {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

interface Report {
  readonly written?: number;
  readonly hasOneClock: boolean;
  readonly isInterrupted: boolean;
  readonly observers: readonly {
    readonly path: string;
    readonly style?: string;
    readonly seen: number;
    readonly missed: number;
    readonly duplicated: number;
    readonly reordered: number;
    readonly lagMicros: Figures;
    readonly histogram: readonly { readonly count: number }[];
    readonly roundTripMicros?: Figures;
  }[];
  readonly roundTrips?: readonly { readonly key: string; readonly roundTripMicros: Figures }[];
}

const lag = (...args: readonly string[]) => runLatchkey(['lag', ...args], { timeoutMs: 60_000 });
const observe = (...specs: readonly string[]) => specs.flatMap((spec) => ['--observe', spec]);

async function reportOf(...args: readonly string[]): Promise<Report> {
  const got = await lag('--json', ...args);
  assert.equal(got.code, 0, got.stdout + got.stderr);
  assert.equal(got.stderr, '');
  return JSON.parse(got.stdout) as Report;
}

/** Every value is one that was seen, missed, or, where a path reads back, shown by the event of the one before. */
function assertWhole(report: Report, count: number): void {
  assert.equal(report.written, count);
  for (const each of report.observers) {
    const name = `${each.path} ${each.style}`;
    assert.equal(each.seen + each.missed, count, name);
    assert.equal(each.lagMicros.count, each.seen, name);
    assert.equal(
      each.histogram.reduce((sum, bar) => sum + bar.count, 0),
      each.seen,
      name,
    );
    const { max, p50, p90, p99 } = each.lagMicros;
    assert.ok(p50 > 0 && p50 <= p90 && p90 <= p99 && p99 <= max, `${name}: ${JSON.stringify(each.lagMicros)}`);
  }
}

for (const { path: program, version } of redisPrograms()) {
  test(`every path of a Redis ${version} and its replica shows what is written, and nothing is left there`, async (t) => {
    const primary = await startRedis(t, { program, notifications: 'KEA', password: 'secret' });
    const replica = await startRedis(t, { program, notifications: 'KEA', password: 'secret', replicaOf: primary });
    const there = ['keyspace', 'tracking', 'pubsub', 'stream', 'resp', 'poll:5ms'];
    const specs = [...there, `keyspace@${replica.url}`, `tracking@${replica.url}`, `stream@${replica.url}`];
    const report = await reportOf('--writer', primary.url, ...observe(...specs), '--style', 'both', '--count', '40');
    assert.equal(report.observers.length, 2 * specs.length - 1);
    assertWhole(report, 40);
    for (const each of report.observers) {
      if (each.path === 'stream' || each.path === 'pubsub') assert.deepEqual([each.missed, each.duplicated], [0, 0]);
    }
    assert.equal(report.hasOneClock, true);
    assert.equal(await primary.command('DBSIZE'), 0);
    assert.ok(!JSON.stringify(report).includes('secret'), 'a password is never shown');
  });
}

describe('latchkey lag', () => {
  test('a server shows every value by both transports and both styles; each observer answers by a round trip', async (t) => {
    const server = await ServerProcess.start({}, t);
    const paths = observe('sse', 'websocket', 'poll:5ms');
    const options = ['--server', server.url, ...paths, '--style', 'both', '--count', '30', '--handshake', 'pong'];
    const report = await reportOf(...options);
    assertWhole(report, 30);
    for (const each of report.observers) {
      if (each.path !== 'poll:5ms') assert.deepEqual([each.missed, each.duplicated, each.reordered], [0, 0, 0]);
      assert.ok((each.roundTripMicros?.p50 ?? 0) >= each.lagMicros.p50, JSON.stringify(each));
    }
    const left = (await (await fetch(`${server.url}/v1/keys`)).json()) as { entries: readonly unknown[] };
    assert.deepEqual(left.entries, []);
  });

  test('what was there under the key stays, with the last value', async (t) => {
    const redis = await startRedis(t);
    await redis.command('SET', 'mine', 'before');
    await reportOf(
      '--writer',
      redis.url,
      ...observe('tracking'),
      '--key',
      'mine',
      '--count',
      '2',
      '--handshake',
      'pong',
    );
    assert.match(String(await redis.command('GET', 'mine')), /^latchkey-lag [0-9a-f]+ 2 /);
    assert.equal(await redis.command('EXISTS', 'pong'), 0);
  });

  test('writer and observers may be two programs: one clock on one host, and round trips where the writer is alone', async (t) => {
    const redis = await startRedis(t);
    const common = ['--writer', redis.url, '--handshake', 'pong'];
    const observers = reportOf('--only', 'observers', ...observe('tracking', 'pubsub'), '--count', '10', ...common);
    await untilConnected(redis, 5);
    const writer = await reportOf('--only', 'writer', '--count', '60', ...common);
    assert.deepEqual(
      writer.roundTrips?.map(({ key }) => key),
      ['pong.1', 'pong.2'],
    );
    assert.ok((writer.roundTrips?.[0]?.roundTripMicros.count ?? 0) > 0);
    assert.equal(await redis.command('DBSIZE'), 0);
    const heard = await observers;
    assert.equal(heard.hasOneClock, true);
    for (const { lagMicros, seen } of heard.observers) assert.ok(seen >= 10 && lagMicros.count === seen);
  });

  test('a value of another host has no lag: its clock is not ours, and the output says so', async (t) => {
    const redis = await startRedis(t);
    const args = ['--only', 'observers', '--writer', redis.url, '--count', '3', ...observe('pubsub')];
    const running = lag(...args);
    await untilConnected(redis, 2);
    for (let sent = 0, at = 0; sent < 3; at += 1) {
      sent += Number(await redis.command('PUBLISH', 'latchkey-lag', `latchkey-lag abcd ${at + 1} 00000000 ${at}`));
    }
    const got = await running;
    assert.equal(got.code, 0, got.stderr);
    assert.match(got.stdout, /Another host wrote: its clock is not this one’s, so no lag is shown/);
    assert.match(got.stdout, /^pubsub +callback +3 +0 +0 +0 +- +- +- +- +redis:/m);
  });

  test('a connection that is cut is made anew: what a path loses meanwhile is counted, and a stream loses nothing', async (t) => {
    const redis = await startRedis(t);
    const proxy = await FaultProxy.start(redis.port);
    t.after(() => proxy.close());
    const there = `redis://127.0.0.1:${proxy.port}`;
    const specs = observe(`pubsub@${there}`, `stream@${there}`, `tracking@${there}`);
    const running = lag('--json', '--writer', redis.url, ...specs, '--interval', '10ms', '--count', '150');
    await untilWritten(redis, 20);
    proxy.cut();
    const got = await running;
    assert.equal(got.code, 0, got.stderr);
    const report = JSON.parse(got.stdout) as Report;
    assertWhole(report, 150);
    const missed = Object.fromEntries(report.observers.map((each) => [each.path, each.missed]));
    assert.equal(missed.stream, 0, got.stdout);
    // How much passes until it is connected again is up to the machine.
    for (const path of ['pubsub', 'tracking']) assert.ok(Number(missed[path]) < 130, got.stdout);
    assert.match(got.stderr, /^pubsub had trouble /m);
  });

  test('a Redis that sends no keyspace events is named with what to run; it is changed only when asked, and put back', async (t) => {
    const redis = await startRedis(t, { notifications: 'Kx' });
    const args = ['--writer', redis.url, ...observe('keyspace'), '--count', '3'];
    const refused = await lag(...args);
    assert.equal(refused.code, 2);
    assert.match(
      refused.stderr,
      /notify-keyspace-events is "xK"\)\. Run `CONFIG SET notify-keyspace-events KEA` there, or give --set-notifications/,
    );
    const flags = async () => JSON.stringify(await redis.command('CONFIG', 'GET', 'notify-keyspace-events'));
    const before = await flags();
    assertWhole(await reportOf(...args, '--set-notifications'), 3);
    assert.equal(await flags(), before);
  });

  test('a place that shows nothing of what is written is named, with exit code 7', async (t) => {
    const [redis, server] = [await startRedis(t), await ServerProcess.start({}, t)];
    const got = await lag('--writer', redis.url, ...observe('tracking', `sse@${server.url}`));
    assert.equal(got.code, 7);
    const says = `not seen within 5 s by sse@${server.url}. See that what is written there comes to that place`;
    assert.ok(got.stderr.includes(says), got.stderr);
    assert.ok(!got.stderr.includes('tracking'), got.stderr);
  });

  test('a place that does not answer, wants a login or takes no writes is named with what to do', async (t) => {
    const primary = await startRedis(t, { password: 'secret' });
    const replica = await startRedis(t, { password: 'secret', replicaOf: primary });
    const away = await lag('--writer', 'redis://127.0.0.1:1');
    assert.equal(away.code, 6);
    assert.match(away.stderr, /No answer from redis:\/\/127\.0\.0\.1:1 \(ECONNREFUSED\): is a Redis running there/);
    const locked = await lag('--writer', `redis://127.0.0.1:${primary.port}`);
    assert.equal(locked.code, 5);
    assert.match(locked.stderr, /wants a login: write it into the URL/);
    const readonly = await lag('--writer', replica.url, ...observe('tracking'));
    assert.equal(readonly.code, 6);
    assert.match(readonly.stderr, /is a read-only replica: name its primary as --writer/);
    const server = await ServerProcess.start({ args: ['--resp', '127.0.0.1:0'] }, t);
    const port = server.records.find(({ message }) => String(message).startsWith('resp: listening'))?.port;
    const gateway = await lag('--writer', `redis://127.0.0.1:${port}`, ...observe('tracking'));
    assert.equal(gateway.code, 6);
    assert.match(
      gateway.stderr,
      /does not have what this path needs .*TRACKING.*: take another path there, such as resp/,
    );
  });

  test('as the programs of keyDB-POC it prints their lines and leaves their keys', async (t) => {
    const redis = await startRedis(t, { notifications: 'KEA' });
    const got = await lag('--writer', redis.url, '--seed-output', '--count', '2', '--interval', '1s');
    assert.equal(got.code, 0, got.stderr);
    const lines = got.stdout.trimEnd().split('\n');
    const seconds = /timestamp (\d+)/.exec(got.stdout)?.[1];
    for (const line of [
      'Listening for key events...',
      'Starting Python01',
      `Python01 set shared_key: Python01 timestamp ${seconds}`,
      'Set handshake_key: Handshake triggered by key event',
      'Python03 set handshake_key: Handshake from Python03',
    ]) {
      assert.ok(lines.includes(line), `${line} in\n${got.stdout}`);
    }
    for (const name of ['Python02', 'Python03']) {
      const read = new RegExp(
        `^${name} read shared_key: Python01 timestamp ${seconds}, Time difference: \\d+ seconds$`,
        'm',
      );
      assert.match(got.stdout, read);
    }
    assert.match(String(await redis.command('GET', 'shared_key')), /^Python01 timestamp \d+$/);
    assert.match(String(await redis.command('GET', 'handshake_key')), /^Handshake /);
  });

  test('interrupted, it prints what was measured until then and removes its key', async (t) => {
    const server = await ServerProcess.start({}, t);
    const child = spawnLag(t, '--json', '--server', server.url, '--count', '100000', ...observe('sse'));
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (more: string) => {
      text += more;
    });
    const isThere = () => fetch(`${server.url}/v1/keys/latchkey-lag`).then(({ status }) => status === 200);
    while (!(await isThere()));
    child.kill('SIGINT');
    const [code] = (await once(child, 'close')) as [number | null];
    assert.equal(code, 130, text);
    const report = JSON.parse(text) as Report;
    assert.equal(report.isInterrupted, true);
    assert.equal(await isThere(), false);
  });
});

function spawnLag(scope: Scope, ...args: readonly string[]) {
  const child = spawn(process.execPath, [BIN, 'lag', ...args], {
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  scope.after(() => child.kill('SIGKILL'));
  return child;
}

async function untilWritten(redis: Awaited<ReturnType<typeof startRedis>>, sequence: number): Promise<void> {
  for (;;) {
    const marker = markerOf(String(await redis.command('GET', 'latchkey-lag')));
    if (marker !== undefined && marker.sequence >= sequence) return;
  }
}

/** Clients beside the test's own. */
async function untilConnected(redis: Awaited<ReturnType<typeof startRedis>>, clients: number): Promise<void> {
  while (Number(await redis.info('connected_clients')) < clients + 1);
}

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { serverCommand } from '../../../test/guarantees/launch.ts';
import { BIN, cleanEnvironment, runLatchkey, ServerProcess } from '../../../test/support/server-process.ts';
import type { VerifyReport } from '../verify/report.ts';
import { progressLine } from './verify.ts';

const SECONDS_3 = ['--minutes', '0.05'];

async function keysLeft(server: ServerProcess): Promise<number> {
  const answer = await fetch(`${server.url}/v1/keys?prefix=latchkey-verify.`);
  return ((await answer.json()) as { entries: readonly unknown[] }).entries.length;
}

describe('latchkey verify', () => {
  test('finds nothing on a server that keeps its promises, and leaves nothing behind', async (t) => {
    const server = await ServerProcess.start({}, t);
    const got = await runLatchkey(['verify', server.url, ...SECONDS_3, '--json'], { timeoutMs: 60_000 });
    assert.equal(got.code, 0, got.stdout + got.stderr);
    assert.equal(got.stderr, '', 'no progress bar but on a terminal');
    const report = JSON.parse(got.stdout) as VerifyReport;
    t.diagnostic(`seed ${report.seed}`);
    assert.ok(report.held && report.isCleanedUp && !report.isInterrupted);
    assert.ok(report.writes.acknowledged > 100 && report.watches.deliveries > report.writes.acknowledged, got.stdout);
    assert.ok(report.watches.connections > 8, 'watchers cut themselves and come back');
    assert.ok(report.lagMs.count > 0 && (report.lagMs.p50 ?? 0) <= (report.lagMs.p99 ?? 0), got.stdout);
    assert.deepEqual(new Set(Object.values(report.checkers)), new Set([0]));
    assert.equal(await keysLeft(server), 0);
  });

  test('takes a restart in the middle for what it is, and counts it', async (t) => {
    const server = await ServerProcess.start({}, t);
    const running = runLatchkey(['verify', '--server', server.url, '--minutes', '0.08', '--json'], {
      timeoutMs: 60_000,
    });
    await untilWritten(server, 300);
    await server.kill();
    await server.restart();
    const { code, stderr, stdout } = await running;
    assert.equal(code, 0, stdout + stderr);
    const report = JSON.parse(stdout) as VerifyReport;
    assert.ok(report.interruptions >= 1 && report.epochs === 2, stdout);
    assert.equal(await keysLeft(server), 0);
  });

  test('finds a change that the server itself drops, and names GapFree with the evidence, by both transports', async (t) => {
    const server = await ServerProcess.start({ command: serverCommand('drop') }, t);
    const got = await runLatchkey(['verify', server.url, ...SECONDS_3], { timeoutMs: 60_000 });
    assert.equal(got.code, 1, got.stdout + got.stderr);
    for (const transport of ['sse', 'websocket']) {
      const line = `^GapFree {2}watcher \\d, ${transport}.*, window \\d: \\w+ latchkey-verify\\.\\S+ .*not delivered$`;
      assert.match(got.stdout, new RegExp(line, 'm'));
    }
    assert.match(got.stdout, /^violated: .*GapFree \d+/m);
    assert.equal(await keysLeft(server), 0);
  });

  test('removes what it wrote when it is interrupted', async (t) => {
    const server = await ServerProcess.start({}, t);
    const child = spawn(process.execPath, [BIN, 'verify', server.url, '--minutes', '5'], {
      env: cleanEnvironment(),
      stdio: 'ignore',
    });
    t.after(() => child.kill('SIGKILL'));
    await untilWritten(server, 100);
    child.kill('SIGINT');
    const [code] = (await once(child, 'exit')) as [number | null];
    assert.equal(code, 130);
    assert.equal(await keysLeft(server), 0);
  });

  test('says where nothing answers, with exit code 6, and what it does not take, with 2', async () => {
    const away = await runLatchkey(['verify', 'http://127.0.0.1:1']);
    assert.equal(away.code, 6);
    assert.match(away.stderr, /No answer from http:\/\/127\.0\.0\.1:1: is a Latchkey server running there\?/);
    for (const wrong of [
      ['--minutes', '0'],
      ['--writers', 'many'],
      ['--watchers', '100000'],
    ]) {
      const got = await runLatchkey(['verify', ...wrong]);
      assert.equal(got.code, 2, wrong.join(' '));
      assert.ok(got.stderr.includes(wrong[0] as string), got.stderr);
    }
  });

  test('its progress tells how far it is and what is left', () => {
    const progress = { acknowledged: 1234, deliveries: 56_789, leftMs: 5000, violations: 0 };
    const line = '[############............] 5 s left  1,234 writes  247 writes/s  56,789 deliveries  0 violations';
    assert.equal(progressLine(progress, 10_000), line);
    assert.match(progressLine({ ...progress, leftMs: 600_000 }, 600_000), /^\[\.{24}\] 10 min left/);
  });
});

/** Resolves when the log is that far. */
async function untilWritten(server: ServerProcess, offset: number): Promise<void> {
  const answer = await fetch(`${server.url}/v1/watch?prefix=latchkey-verify.`);
  const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  for (let seen = ''; ; ) {
    const { done, value } = await reader.read();
    assert.ok(!done, 'the watch ended before so much was written');
    seen = (seen + decoder.decode(value, { stream: true })).slice(-4000);
    const last = [...seen.matchAll(/^id: [0-9a-z]+\.(\d+)/gm)].at(-1)?.[1];
    if (Number(last ?? 0) >= offset) return await reader.cancel();
  }
}

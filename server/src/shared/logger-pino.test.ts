import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';
import { createLogger, type LoggerOptions } from './logger-pino.ts';

const clock: Clock = { nowMicros: () => Date.UTC(2026, 10, 20, 12) * 1000, monotonicMs: () => 0 };

function linesOf(t: TestContext, options: Partial<LoggerOptions>, write: (logger: Logger) => void): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-log-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const destination = join(folder, 'log');
  const logger = createLogger({
    logLevel: 'info',
    logFormat: 'json',
    clusterLabel: '',
    clock,
    destination,
    ...options,
  });
  write(logger);
  return readFileSync(destination, 'utf8').trimEnd().split('\n');
}

test('JSON lines carry level, time, cluster and fields; below the level nothing is written', (t) => {
  const lines = linesOf(t, { clusterLabel: 'blue' }, (logger) => {
    logger.debug({}, 'not this');
    logger.child({ stage: 'log' }).info({ count: 3, absent: undefined }, 'started');
  });
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)),
    [{ level: 'info', time: '2026-11-20T12:00:00.000Z', cluster: 'blue', stage: 'log', count: 3, message: 'started' }],
  );
});

test('text lines read time, level, message and fields, and stay one line', (t) => {
  const lines = linesOf(t, { logFormat: 'text', clusterLabel: 'blue' }, (logger) => {
    logger.info({ url: 'http://127.0.0.1:1', data: 'two words' }, 'listening');
    logger.warn({ text: 'a\nb' }, 'first\n2026-11-20T12:00:00Z ERROR forged');
  });
  assert.deepEqual(lines, [
    '2026-11-20T12:00:00Z INFO listening cluster=blue url=http://127.0.0.1:1 data="two words"',
    '2026-11-20T12:00:00Z WARNING first\\n2026-11-20T12:00:00Z ERROR forged cluster=blue text="a\\nb"',
  ]);
});

test('secrets are not written, whatever the depth and the form', (t) => {
  for (const logFormat of ['json', 'text'] as const) {
    const lines = linesOf(t, { logFormat }, (logger) => {
      logger.info(
        { token: 'hush', nested: { redisPassword: 'hush', headers: { authorization: 'hush' } } },
        'redis://u:hush@h',
      );
      logger.error({ url: 'redis://u:hush@h', err: new Error('at redis://u:hush@h') }, 'failed');
    });
    assert.doesNotMatch(lines.join('\n'), /hush/);
  }
});

test('a line to read has the message of its error once', (t) => {
  const [line] = linesOf(t, { logFormat: 'text' }, (logger) => {
    const err = new LatchkeyError('not-ready', 'It is away.', { cause: new Error('ECONNREFUSED') });
    logger.warn({ err }, 'log redis: It is away.');
  });
  assert.match(
    line as string,
    /WARNING log redis: It is away\. err=\{"type":"LatchkeyError","code":"not-ready","cause":\{"type":"Error","message":"ECONNREFUSED"\}\}$/,
  );
});

test('an error is told with its code and cause; a stack only where it is a bug', (t) => {
  const lines = linesOf(t, {}, (logger) => {
    logger.error({ err: new LatchkeyError('storage-full', 'The disk is full.') }, 'a');
    logger.error({ err: new TypeError('x', { cause: new Error('why') }) }, 'b');
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    logger.warn({ err: new LatchkeyError('not-ready', 'Not reached.', { cause: refused }) }, 'c');
    logger.warn({ err: new LatchkeyError('not-ready', 'Not reached.', { cause: new TypeError('x') }) }, 'd');
  });
  const [expected, bug, foreseen, hidden] = lines.map((line) => JSON.parse(line).err);
  assert.deepEqual(expected, { type: 'LatchkeyError', code: 'storage-full', message: 'The disk is full.' });
  assert.equal(bug.cause.message, 'why');
  assert.match(bug.stack, /logger-pino\.test/);
  assert.deepEqual(foreseen.cause, { type: 'Error', code: 'ECONNREFUSED', message: 'connect ECONNREFUSED' });
  assert.match(hidden.cause.stack, /logger-pino\.test/);
});

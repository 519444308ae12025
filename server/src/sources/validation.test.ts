import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startRedis } from '../../../test/support/redis.ts';
import type { Command } from '../commands/command.ts';
import { makeRedisProbe } from '../log/redis-probe.fixture.ts';
import { ANONYMOUS } from '../shared/access.ts';
import { type Logger, silentLogger } from '../shared/logger.ts';
import { PlainValues } from './plain-values.ts';
import { Validation } from './validation.ts';

const json = (data: string) => ({ kind: 'json', data }) as const;
const COMMANDS: readonly Command[] = [
  { op: 'put', key: 'text', value: json('{"a":1.0}') },
  { op: 'merge', key: 'hash', patch: '{"voltage":48,"name":"é"}', newAs: 'hash' },
];

test('validate reads strings and hashes where the log redis keeps them, and writes again what is not as written', async (t) => {
  const redis = await startRedis(t);
  const probe = await makeRedisProbe(redis);
  t.after(() => probe.close());
  const log = await probe.open();
  const lines: string[] = [];
  const tell = (_: unknown, message: string) => void lines.push(message.replace(/:.*/, ''));
  const logger: Logger = { ...silentLogger, info: tell, error: tell };
  const place = { url: redis.url, sentinels: [], sentinelName: 'mymaster', caFile: '' };
  const validation = new Validation({ source: 's', log, logger, kept: new PlainValues(place, 'validate') });
  t.after(() => validation.close());
  const take = async (commands: readonly Command[]) => {
    const { outcomes } = await log.submit({ commands, principal: ANONYMOUS });
    const arrival = { message: { body: Buffer.alloc(0) }, coordinates: {} };
    return commands.map((command, index) => ({
      arrival,
      commands: [command],
      outcomes: outcomes.slice(index, index + 1),
    }));
  };
  const taken = await take(COMMANDS);
  await validation.check(taken);
  assert.deepEqual(lines.splice(0), ['Data validation successful.', 'Data validation successful.']);

  await redis.command('SET', 'text', 'spoiled');
  await redis.command('HSET', 'hash', 'voltage', '0', 'more', '1');
  await validation.check(taken);
  assert.deepEqual(lines.splice(0), ['Data validation failed', 'Data validation failed']);
  assert.equal(validation.differences, 2);
  assert.equal(await redis.command('GET', 'text'), '{"a":1.0}');
  assert.deepEqual(await redis.command('HMGET', 'hash', 'voltage', 'name', 'more'), ['48', 'é', null]);

  await redis.command('DEL', 'text', 'hash');
  await validation.check(taken);
  assert.equal(await redis.command('GET', 'text'), '{"a":1.0}');
  assert.deepEqual(await redis.command('HMGET', 'hash', 'voltage', 'name'), ['48', 'é']);
  assert.equal(validation.differences, 4);
});

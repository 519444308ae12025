import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEnvFile } from './env-file.ts';

test('values are taken without quotes and comments, and lines that are none are told', () => {
  const { unread, variables } = parseEnvFile(
    [
      '# Kafka Configuration Settings',
      'KAFKA_TOPIC=ems',
      'export REDIS_HOST = 10.0.0.7',
      'REDIS_PASS="a#b \\"c\\""  # quoted',
      "REDIS_USER='d\\n'",
      'REDIS_DB=1 # one',
      'REDIS_PORT=',
      'HASH=a#b',
      'no assignment',
      '',
    ].join('\r\n'),
  );
  assert.deepEqual(Object.fromEntries(variables), {
    KAFKA_TOPIC: 'ems',
    REDIS_HOST: '10.0.0.7',
    REDIS_PASS: 'a#b "c"',
    REDIS_USER: 'd\\n',
    REDIS_DB: '1',
    REDIS_PORT: '',
    HASH: 'a#b',
  });
  assert.deepEqual(unread, [9]);
});

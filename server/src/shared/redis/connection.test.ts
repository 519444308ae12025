import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describePlace, redisError, replyCode } from './error.ts';
import { parseInfo, textOfReply } from './reply.ts';

const place = { url: 'rediss://user:secret@redis.example:6390/2', sentinels: [], sentinelName: '', caFile: '' };

test('a message names the server, and never a user, a password or what the server said', () => {
  assert.equal(describePlace(place), 'rediss://redis.example:6390');
  for (const said of ['WRONGPASS secret', 'NOPERM key secret', 'OOM x', 'READONLY x', 'ERR secret', 'connect secret']) {
    const error = redisError(new Error(said), place, 'writing');
    assert.ok(!error.message.includes('secret'), error.message);
    assert.ok(error.retryable);
  }
});

test('a full server is full, another fault is a matter of time', () => {
  assert.equal(redisError(new Error('OOM command not allowed'), place, 'writing').code, 'storage-full');
  assert.equal(redisError(new Error('READONLY You'), place, 'writing').code, 'not-ready');
  assert.equal(replyCode(new Error('Socket closed unexpectedly')), undefined);
  assert.equal(replyCode(new Error('NOSCRIPT No matching script.')), 'NOSCRIPT');
});

test('INFO becomes a map, replies become texts', () => {
  assert.equal(parseInfo('# Server\r\nredis_version:7.0.15\r\nrun_id:ab:c\r\n').get('run_id'), 'ab:c');
  assert.deepEqual([textOfReply(Buffer.from('a')), textOfReply(3), textOfReply(null)], ['a', '3', undefined]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRedisUrl } from './redis-settings.ts';

test('a URL of a Redis names a place, a user and the number of a database, and nothing that would be ignored', () => {
  for (const good of [
    'redis://localhost',
    'redis://127.0.0.1:6379/',
    'redis://127.0.0.1:6379/15',
    'rediss://user:p%40ss%25@[::1]:6380/0',
    'redis://:secret@host',
  ])
    assert.ok(isRedisUrl(good), good);
  for (const bad of [
    '',
    'localhost:6379',
    'http://localhost',
    'redis://localhost/abc',
    'redis://localhost/0/1',
    'redis://localhost?db=3',
    'redis://localhost/0#1',
    'redis://:50%@localhost',
    'redis://localhost:70000',
  ])
    assert.ok(!isRedisUrl(bad), bad);
});

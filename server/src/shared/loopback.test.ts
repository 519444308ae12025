import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostOfAuthority, isLoopback } from './loopback.ts';

test('loopback is localhost, 127.0.0.0/8 and ::1 in every spelling, and nothing that only looks like it', () => {
  for (const host of [
    'localhost',
    'LOCALHOST.',
    'a.localhost',
    '127.0.0.1',
    '127.9.9.9',
    '::1',
    '[::1]',
    '::ffff:127.0.0.1',
  ]) {
    assert.ok(isLoopback(host), host);
  }
  for (const host of [
    '0.0.0.0',
    '::',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '10.0.0.1',
    '',
    '127.',
    '[::1',
  ]) {
    assert.ok(!isLoopback(host), host);
  }
});

test('the host of an authority stands before the port, with IPv6 in brackets or bare', () => {
  assert.equal(hostOfAuthority('Example.COM:80'), 'example.com');
  assert.equal(hostOfAuthority('127.0.0.1'), '127.0.0.1');
  assert.equal(hostOfAuthority('[::1]:23333'), '::1');
  assert.equal(hostOfAuthority('::1'), '::1');
  assert.equal(hostOfAuthority('[::1'), '');
  assert.equal(hostOfAuthority(''), '');
});

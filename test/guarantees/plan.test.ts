import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAULT_KINDS, NETWORK_KINDS, SERVER_KINDS } from './faults.ts';
import { planOf } from './plan.ts';

test('a seed stands for the same world and the same faults in the same order, and another one for others', () => {
  assert.deepEqual(planOf(42, 24), planOf(42, 24));
  assert.notDeepEqual(planOf(42, 24), planOf(43, 24));
  assert.deepEqual(planOf(42, 30).rounds.slice(0, 24), planOf(42, 24).rounds);
});

test('every kind of fault comes, alone or as one to the server while the network is bad', () => {
  const rounds = Array.from({ length: 100 }, (_, seed) => planOf(seed, 24).rounds).flat();
  assert.deepEqual(new Set(rounds.flat()), new Set(FAULT_KINDS));
  const pairs = rounds.filter(({ length }) => length > 1);
  assert.ok(pairs.length > 0 && pairs.length < rounds.length);
  const isNetwork = (kind: string | undefined) => NETWORK_KINDS.some((each) => each === kind);
  const isServer = (kind: string | undefined) => SERVER_KINDS.some((each) => each === kind);
  assert.ok(pairs.every(([one, other, more]) => isNetwork(one) && isServer(other) && more === undefined));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAULT_KINDS, NETWORK_KINDS, SERVER_KINDS, WORKER_KINDS } from './faults.ts';
import { CLIENT_KINDS, LINK_KINDS, NODE_KINDS, REDIS_KINDS } from './node-faults.ts';
import { nodesPlanOf, planOf } from './plan.ts';

test('a seed stands for the same world and the same faults in the same order, and another one for others', () => {
  assert.deepEqual(planOf(42, 24), planOf(42, 24));
  assert.notDeepEqual(planOf(42, 24), planOf(43, 24));
  assert.deepEqual(planOf(42, 30).rounds.slice(0, 24), planOf(42, 24).rounds);
});

test('every kind of fault comes, alone or as one to the server while the network is bad', () => {
  const plans = Array.from({ length: 200 }, (_, seed) => planOf(seed, 24));
  const rounds = plans.flatMap((plan) => plan.rounds);
  assert.deepEqual(new Set(rounds.flat()), new Set(FAULT_KINDS));
  const pairs = rounds.filter(({ length }) => length > 1);
  assert.ok(pairs.length > 0 && pairs.length < rounds.length);
  const isOf = (kinds: readonly string[], kind: string | undefined) => kinds.some((each) => each === kind);
  const toServer = [...SERVER_KINDS, ...WORKER_KINDS];
  assert.ok(pairs.every(([one, other, more]) => isOf(NETWORK_KINDS, one) && isOf(toServer, other) && !more));
  const alone = plans.filter(({ workers }) => workers === 0).flatMap((plan) => plan.rounds.flat());
  assert.ok(!alone.some((kind) => isOf(WORKER_KINDS, kind)), 'there is no worker to be killed');
});

test('with several nodes every kind of fault comes, alone and beside others, but no two to the same place', () => {
  assert.deepEqual(nodesPlanOf(42, 30).rounds.slice(0, 24), nodesPlanOf(42, 24).rounds);
  const places = [REDIS_KINDS, LINK_KINDS, NODE_KINDS, CLIENT_KINDS];
  const rounds = Array.from({ length: 200 }, (_, seed) => nodesPlanOf(seed, 24)).flatMap((plan) => plan.rounds);
  assert.deepEqual(new Set<string>(rounds.flat()), new Set<string>(places.flat()));
  assert.ok(rounds.some(({ length }) => length === 1) && rounds.some(({ length }) => length > 2));
  for (const place of places)
    assert.ok(rounds.every((kinds) => kinds.filter((kind) => place.some((each) => each === kind)).length <= 1));
});

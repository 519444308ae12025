// Nodes of one log are held against each other: by their journals, by what they show, and by what lies in their Redis.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Violation } from '../../server/src/verify/history.ts';
import type { WireChange } from '../../server/src/verify/sight.ts';
import { startRedis } from '../support/redis.ts';
import { type Scope, temporaryFolder } from '../support/server-process.ts';
import type { Entries } from './ending.ts';
import { readJournals } from './journal.ts';
import { nodesAgree, readPlainKeys } from './nodes-agree.ts';

const messagesOf = (violations: readonly Violation[]) =>
  violations.map(({ guarantee, message, to }) => `${guarantee} · ${to} · ${message}`);

interface Noted {
  readonly previous: number;
  readonly change: WireChange;
}

const noted = (offset: number, key: string, value: unknown, previous = 0): Noted => ({
  previous,
  change: { op: 'put', key, value, version: `aaaa.${offset}` },
});

function journals(scope: Scope, ...nodes: readonly (readonly Noted[])[]): readonly string[] {
  const folder = temporaryFolder(scope);
  return nodes.map((lines, index) => {
    const path = join(folder, `node-${index}`);
    writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return path;
  });
}

describe('the journals of several nodes', () => {
  const [one, two, four] = [noted(1, 'a', 1), noted(2, 'a', 2, 1), noted(4, 'b', 3)];

  test('make one log, in which an offset may be without a change and a node may apply again what it lost', (t) => {
    const paths = journals(t, [one, two, four], [one, two, one, two, four]);
    const { log, violations } = readJournals(paths, { areWhole: true });
    assert.deepEqual(violations, []);
    assert.deepEqual(
      log.map(({ offset }) => offset),
      [1, 2, 4],
    );
  });

  test('show a node that applied another change at the same offset', (t) => {
    const { violations } = readJournals(journals(t, [one, two], [one, noted(2, 'a', 3, 1)]), { areWhole: true });
    assert.deepEqual(messagesOf(violations), [
      'NodesAgree · node 2 · it applied put a@aaaa.0-2=3, and put a@aaaa.0-2=2 was applied there before',
    ]);
  });

  test('show a node that left a change out, unless it may have been filled anew', (t) => {
    const paths = journals(t, [one, two, four], [one, four]);
    assert.deepEqual(messagesOf(readJournals(paths, { areWhole: true }).violations), [
      'NodesAgree · node 2 · it never applied put a@aaaa.0-2=2',
    ]);
    assert.deepEqual(readJournals(paths, { areWhole: false }).violations, []);
  });

  test('show a change that does not name the one before it, whichever node wrote that one down', (t) => {
    const { violations } = readJournals(journals(t, [one], [noted(2, 'a', 2)]), { areWhole: false });
    assert.deepEqual(messagesOf(violations), [
      'ChainExact · journal · put a@aaaa.0-2=2 names 0 as the one before it, not 1',
    ]);
  });
});

test('nodes that show another value, version or key than the first, and a Redis that holds another, are found', async (t) => {
  const redis = await startRedis(t);
  await redis.command('MSET', 'a', '{"x": 1}', 'b', '2', 'latchkey:main:head', 'own');
  const entries = (...each: readonly (readonly [key: string, value: unknown, offset: number])[]): Entries =>
    new Map(each.map(([key, value, offset]) => [key, { key, value, version: `aaaa.${offset}` }]));
  const first = entries(['a', { x: 1 }, 1], ['b', 2, 2]);
  assert.deepEqual(nodesAgree([first, first], await readPlainKeys(redis)), []);
  assert.deepEqual(
    messagesOf(nodesAgree([first, entries(['a', { x: 1 }, 3], ['c', 2, 2])], await readPlainKeys(redis))),
    [
      'NodesAgree · node 2 · a is {"x":1} of aaaa.3, not {"x":1} of aaaa.1',
      'NodesAgree · node 2 · b is absent, not 2 of aaaa.2',
      'NodesAgree · node 2 · c is 2 of aaaa.2, not absent',
    ],
  );
  await redis.command('SET', 'a', '{"x": 2}');
  await redis.command('DEL', 'b');
  await redis.command('SET', 'c', '3', 'EX', 100);
  assert.deepEqual(messagesOf(nodesAgree([first], await readPlainKeys(redis))), [
    'NodesAgree · redis · a is {"x":2}, not {"x":1}',
    'NodesAgree · redis · b is absent, not 2',
    'NodesAgree · redis · c is 3, not absent',
    'NodesAgree · redis · c expires, and its entry does not',
  ]);
});

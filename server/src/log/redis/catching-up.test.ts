// A position that another node gave out, at a node that has not got there: it waits for what the log has, and for nothing else.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LatchkeyError, parsePosition } from '@latchkey/client';
import { EpochTable } from '../../shared/epochs.ts';
import type { View } from '../../view/view.ts';
import { Waiters } from '../../view/waiters.ts';
import { catchingUp } from './catching-up.ts';
import type { RedisStore } from './redis-store.ts';
import { EMPTY_HEAD } from './replica.ts';

const TIMEOUT_MS = 60_000;

interface Known {
  readonly epochs: readonly (readonly [id: string, first: number])[];
  readonly head: number;
}

/** A node that knows that much of a log which is as far as that. */
function nodeOf(node: Known, log: Known | LatchkeyError) {
  const waiters = new Waiters(10);
  let known = node;
  const tableOf = ({ epochs }: Known) => new EpochTable(epochs.map(([id, first]) => ({ id, first: [first] })));
  const view = {
    get epochs() {
      return tableOf(known);
    },
    head: () => known.head,
    reach: (position, timeoutMs, signal) =>
      waiters.until(() => (position.components[0]?.offset ?? 0) <= known.head, timeoutMs, signal),
  } satisfies Pick<View, 'epochs' | 'head' | 'reach'>;
  const ask = async <T>(answer: (there: Known) => T): Promise<T> => {
    if (log instanceof LatchkeyError) throw log;
    return answer(log);
  };
  const store: Pick<RedisStore, 'epochs' | 'head'> = {
    epochs: () => ask(({ epochs }) => epochs.map(([id, first]) => ({ id, first }))),
    head: () => ask(({ head }) => ({ ...EMPTY_HEAD, offset: head })),
  };
  return {
    catchUp: (position: string, timeoutMs = TIMEOUT_MS, signal?: AbortSignal) =>
      catchingUp(
        { store: store as RedisStore, view: view as unknown as View },
        parsePosition(position),
        timeoutMs,
        signal,
      ),
    apply(more: Known) {
      known = more;
      waiters.check();
    },
  };
}

describe('a node that is asked for a position', () => {
  const behind: Known = { epochs: [['aaaa', 1]], head: 5 };

  test('which it has reached has nothing to wait for', () => {
    assert.equal(nodeOf(behind, new LatchkeyError('not-ready', 'Away.')).catchUp('aaaa.5'), undefined);
  });

  test('which the log has waits until it is there', async () => {
    const node = nodeOf(behind, { ...behind, head: 9 });
    const caught = node.catchUp('aaaa.8');
    node.apply({ ...behind, head: 8 });
    await caught;
  });

  test('of an epoch that it has not heard of waits for that epoch, also where its own offsets go further', async () => {
    const after: Known = { epochs: [...behind.epochs, ['bbbb', 4]], head: 4 };
    const node = nodeOf(behind, after);
    const caught = node.catchUp('bbbb.4');
    node.apply(after);
    await caught;
  });

  test('which the log does not have waits for nothing: it is for the watch to be told reset', async () => {
    await nodeOf(behind, { ...behind, head: 6 }).catchUp('aaaa.7');
    await nodeOf(behind, { epochs: [...behind.epochs, ['bbbb', 6]], head: 9 }).catchUp('aaaa.7');
    await nodeOf(behind, { epochs: [['cccc', 1]], head: 9 }).catchUp('aaaa.7');
  });

  test('says so when it does not get there in time, when nobody waits any more, and when the log can not be asked', async () => {
    const ahead = { ...behind, head: 9 };
    await assert.rejects(nodeOf(behind, ahead).catchUp('aaaa.8', 1) ?? Promise.resolve(), { code: 'position-ahead' });
    const gone = AbortSignal.abort();
    await assert.rejects(nodeOf(behind, ahead).catchUp('aaaa.8', TIMEOUT_MS, gone) ?? Promise.resolve(), {
      code: 'closing',
    });
    const away = nodeOf(behind, new LatchkeyError('not-ready', 'Away.'));
    await assert.rejects(away.catchUp('aaaa.8') ?? Promise.resolve(), { code: 'not-ready' });
  });
});

/** Nodes that write at once: what others were faster with moves a step up, and its senders are told where it came to lie. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { put, submit } from '../../../test/conformance/log-tools.ts';
import type { Command, Outcome } from '../commands/command.ts';
import type { Change } from '../shared/change.ts';
import { Random, seedFrom } from '../verify/random.ts';
import type { AppendAnswer, RedisStore } from './redis/redis-store.ts';
import type { RedisLog } from './redis.ts';
import { nodesForEach, reaches } from './redis-nodes.fixture.ts';

const ALL = { changesMax: 1e6, bytesMax: 1e9, skipSuperseded: false, skipRemoves: false };

function historyOf(log: RedisLog, until = log.view.head(0)): readonly Change[] {
  return log.view.scan(0, 0, { ...ALL, until }).changes;
}

/** A node's store whose appends wait while they are held; it notes their answers. */
class HeldStore {
  readonly answers: AppendAnswer[] = [];
  change: (answer: AppendAnswer) => AppendAnswer = (answer) => answer;
  #held: Promise<void> | undefined;
  #came = Promise.withResolvers<void>();

  readonly wrapStore = (store: RedisStore): RedisStore =>
    new Proxy(store, {
      get: (target, name) => {
        if (name === 'append') return (request: Parameters<RedisStore['append']>[0]) => this.#append(target, request);
        const own = Reflect.get(target, name);
        return typeof own === 'function' ? own.bind(target) : own;
      },
    });

  /** Of the next append, once it came. */
  hold(): { readonly came: Promise<void>; readonly release: () => void } {
    const released = Promise.withResolvers<void>();
    this.#held = released.promise;
    this.#came = Promise.withResolvers();
    return { came: this.#came.promise, release: released.resolve };
  }

  async #append(store: RedisStore, request: Parameters<RedisStore['append']>[0]): Promise<AppendAnswer> {
    const held = this.#held;
    this.#held = undefined;
    this.#came.resolve();
    await held;
    const answer = this.change(await store.append(request));
    this.answers.push(answer);
    return answer;
  }

  get wasRebased(): boolean {
    return this.answers.some((answer) => answer.kind === 'appended' && answer.rebased !== undefined);
  }
}

/** That what a sender was told of its command is so in the log. `value`: what the command wrote, no other one wrote it. */
function checkTold(log: RedisLog, command: Command, outcome: Outcome | undefined, value: string): void {
  assert.ok(outcome !== undefined && outcome.outcome !== 'refused');
  if (outcome.outcome === 'applied' && 'version' in outcome && outcome.version !== undefined) {
    const change = log.view.at(0, outcome.version.offset);
    assert.deepEqual([change?.key, change?.value?.data], ['key' in command ? command.key : '', value]);
    assert.deepEqual(log.view.epochs.version(change as Change), outcome.version);
  }
  const entries = [
    'entry' in outcome ? outcome.entry : undefined,
    'previous' in outcome ? (outcome.previous ?? undefined) : undefined,
  ];
  for (const entry of entries) {
    if (entry === undefined) continue;
    const change = log.view.at(0, entry.offset);
    assert.deepEqual(
      [change?.key, change?.value?.data, change?.decided],
      [entry.key, entry.value?.data, entry.decided],
    );
  }
}

describe('nodes that write at once', () => {
  const world = nodesForEach();

  test('a step that others were faster than takes its place after theirs, and its sender is told that place', async () => {
    const held = new HeldStore();
    const [a, b] = await Promise.all([world.nodes.start(), world.nodes.start({ wrapStore: held.wrapStore })]);
    await submit(a, [put('old', 1), put('merged', { x: 1 })]);
    await reaches(b, a);
    const base = a.view.head(0);
    const { came, release } = held.hold();
    const settled = submit(b, [
      put('own', 2, { returnPrevious: true }),
      { op: 'read', key: 'own' },
      { op: 'read', key: 'old' },
      put('old', 3, { ifAbsent: true }),
      put('own', 4, { returnPrevious: true }),
      { op: 'merge', key: 'merged', patch: '{"y":2}' },
      { op: 'remove', key: 'none' },
    ]);
    await came;
    await submit(a, [put('others', 1), put('others', 2)]);
    const countBefore = held.answers.length;
    release();
    const { outcomes, position } = await settled;
    assert.deepEqual(
      held.answers.slice(countBefore).map((answer) => answer.kind === 'appended' && answer.rebased?.first),
      [base + 3],
    );
    assert.deepEqual(
      outcomes.map(({ outcome }) => outcome),
      ['applied', 'value', 'value', 'conflict', 'applied', 'applied', 'duplicate'],
    );
    assert.deepEqual(position.components, [{ offset: base + 5 }]);
    const offsetsOf = outcomes.map((outcome) => ('version' in outcome ? outcome.version?.offset : undefined));
    assert.deepEqual(offsetsOf, [base + 3, undefined, undefined, undefined, base + 4, base + 5, undefined]);
    const [, own, old, conflict, again] = outcomes;
    assert.ok(own?.outcome === 'value' && 'entry' in own && old?.outcome === 'value' && 'entry' in old);
    assert.ok(conflict?.outcome === 'conflict' && again?.outcome === 'applied' && 'previous' in again);
    assert.deepEqual(
      [own.entry?.offset, old.entry?.offset, conflict.entry?.offset, again.previous?.offset],
      [base + 3, base - 1, base - 1, base + 3],
    );
    await reaches(a, b);
    assert.deepEqual(historyOf(a).map(plain), historyOf(b).map(plain));
    // It goes on from there.
    await submit(b, [put('own', 5)]);
    assert.equal(b.view.get('own')?.previous, base + 4);
  });

  test('what a lost reply leaves unknown is read before the node goes on, and its sender is told all the same', async () => {
    const held = new HeldStore();
    const [a, b] = await Promise.all([world.nodes.start(), world.nodes.start({ wrapStore: held.wrapStore })]);
    await submit(a, [put('old', 1)]);
    await reaches(b, a);
    const { came, release } = held.hold();
    held.change = (answer) =>
      answer.kind === 'appended' && answer.rebased !== undefined
        ? { ...answer, rebased: { ...answer.rebased, records: answer.rebased.records.slice(0, 1) } }
        : answer;
    const settled = submit(b, [put('own', 2)]);
    await came;
    await submit(a, [put('others', 1)]);
    await submit(a, [put('others', 2)]);
    release();
    const [outcome] = (await settled).outcomes;
    assert.ok(held.wasRebased);
    await submit(b, [put('later', 1)]);
    checkTold(b, put('own', 2), outcome, '2');
    await reaches(a, b);
    assert.deepEqual(historyOf(a).map(plain), historyOf(b).map(plain));
    assert.deepEqual(
      historyOf(a).map(({ key }) => key),
      ['old', 'others', 'others', 'own', 'later'],
    );
  });

  test('reads and what comes to nothing hold while others write other keys, and are decided again where they write the same', async () => {
    const confirmations: string[] = [];
    let before = async () => {};
    const [a, b] = await Promise.all([
      world.nodes.start(),
      world.nodes.start({
        wrapStore: (store) =>
          new Proxy(store, {
            get: (target, name) => {
              const own = Reflect.get(target, name);
              if (name !== 'confirm') return typeof own === 'function' ? own.bind(target) : own;
              return async (...args: Parameters<RedisStore['confirm']>) => {
                await before();
                const answer = await target.confirm(...args);
                confirmations.push(answer.kind);
                return answer;
              };
            },
          }),
      }),
    ]);
    await submit(a, [put('old', 1, { updated: { micros: 5 } })]);
    await reaches(b, a);
    const ask = () => submit(b, [{ op: 'read', key: 'old' }, put('old', 2, { updated: { micros: 4 } })]);
    before = async () => void (await submit(a, [put('others', 1)]));
    const told = async () =>
      (await ask()).outcomes.map((outcome) => ('entry' in outcome ? outcome.entry?.value?.data : outcome.outcome));
    assert.deepEqual([await told(), confirmations.splice(0)], [['1', 'late'], ['confirmed']]);
    before = async () => {
      before = async () => {};
      await submit(a, [put('old', 3)]);
    };
    assert.deepEqual(
      [await told(), confirmations],
      [
        ['3', 'late'],
        ['moved', 'confirmed'],
      ],
    );
    assert.equal(b.state().isReady, true);
  });

  test('whatever they write, each sender is told what the log has, and time goes on with the offsets', async (t) => {
    const seed = seedFrom(process.env.LATCHKEY_SEED);
    t.diagnostic(`LATCHKEY_SEED=${seed}`);
    const random = new Random(seed);
    const stores = [new HeldStore(), new HeldStore(), new HeldStore()];
    const logs = await Promise.all(stores.map(({ wrapStore }) => world.nodes.start({ wrapStore })));
    let values = 0;
    const told: { readonly command: Command; readonly outcome: Outcome | undefined; readonly value: string }[] = [];
    const write = async (log: RedisLog, node: number) => {
      for (let round = 0; round < 60; round += 1) {
        const commands = Array.from({ length: random.between(1, 6) }, (): Command => {
          // Mostly keys of its own: else nearly every step would lose.
          const key = random.between(0, 9) === 0 ? 'shared' : `${node}.${random.between(0, 4)}`;
          values += 1;
          const ways: readonly Command[] = [
            put(key, values),
            put(key, values, { returnPrevious: true, ifPresent: true }),
            put(key, values, { ttlMicros: 20_000 }),
            put(key, values, { updated: { micros: log.view.nowMicros() - random.between(-2000, 2000) } }),
            { op: 'read', key },
            { op: 'remove', key },
          ];
          return ways[random.between(0, ways.length - 1)] as Command;
        });
        const { outcomes } = await submit(log, commands);
        for (const [index, command] of commands.entries()) {
          const value = 'value' in command ? String(command.value.data) : '';
          if (command.op !== 'remove') told.push({ command, outcome: outcomes[index], value });
        }
      }
    };
    await Promise.all(logs.map(write));
    for (const log of logs) for (const other of logs) await reaches(log, other);
    const [first, ...others] = logs as [RedisLog, ...RedisLog[]];
    for (const { command, outcome, value } of told) checkTold(first, command, outcome, value);
    // Some of it expires meanwhile.
    const until = Math.min(...logs.map((log) => log.view.head(0)));
    const history = historyOf(first, until);
    for (const log of others) assert.deepEqual(historyOf(log, until).map(plain), history.map(plain));
    const last = new Map<string, number>();
    let decided = 0;
    for (const change of history) {
      assert.equal(change.previous, last.get(change.key) ?? 0);
      assert.ok(change.decided >= decided, `offset ${change.offset} was decided before the one before it`);
      decided = change.decided;
      last.set(change.key, change.offset);
    }
    assert.ok(
      stores.some(({ wasRebased }) => wasRebased),
      'no step was moved up',
    );
  });
});

function plain({ value, ...rest }: Change) {
  return { ...rest, value: value?.data };
}

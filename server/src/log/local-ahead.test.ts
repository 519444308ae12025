import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { LatchkeyError } from '@latchkey/client';
import fc from 'fast-check';
import { put } from '../../../test/conformance/log-tools.ts';
import type { Command, Outcome } from '../commands/command.ts';
import { ANONYMOUS } from '../shared/access.ts';
import type { Step } from '../view/view.ts';
import type { LocalLog } from './local.ts';
import { makeLocalProbe } from './local-probe.fixture.ts';

/** A log whose flushes end when, and as, the test says. */
async function heldLog() {
  const probe = await makeLocalProbe();
  const log = await probe.open();
  const { view } = log;
  const apply = view.apply.bind(view);
  const held: { readonly step: Step; end(fails: boolean): void }[] = [];
  view.apply = async (step) => {
    const fails = await new Promise<boolean>((end) => {
      held.push({ step, end });
      step.onFlushing?.();
    });
    if (fails) throw new LatchkeyError('storage-full', 'the disk is full');
    const { onFlushing: _held, ...rest } = step;
    await apply(rest);
  };
  return { probe, log, held };
}

const submit = async (log: LocalLog, commands: readonly Command[]): Promise<readonly Outcome[]> =>
  log.submit({ commands, principal: ANONYMOUS }).then(
    ({ outcomes }) => outcomes,
    (error: LatchkeyError) => commands.map(() => ({ outcome: 'refused', code: error.code, message: error.message })),
  );

async function turns(count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) await turn();
}

// A failure prints its seed and path: give both to fc.assert to see it again.
describe('what is decided while a step is flushed', () => {
  test('sees that step, is neither shown nor answered before it, and is one step by itself', async () => {
    const { held, log, probe } = await heldLog();
    const first = submit(log, [put('a', 1)]);
    await turns(3);
    let isAnswered = false;
    const second = submit(log, [put('a', 2, { ifAbsent: true }), put('b', 1), { op: 'read', key: 'a' }]).then(
      (told) => {
        isAnswered = true;
        return told;
      },
    );
    await turns(3);
    assert.equal(held.length, 1);
    assert.equal(log.view.get('a'), undefined);
    held[0]?.end(false);
    while (held.length < 2) await turn();
    assert.equal((await first)[0]?.outcome, 'applied');
    assert.equal(isAnswered, false);
    assert.equal(log.view.get('b'), undefined);
    assert.deepEqual(
      held[1]?.step.placed.map(({ change }) => [change.key, change.offset]),
      [['b', 2]],
    );
    held[1]?.end(false);
    assert.deepEqual(
      (await second).map(({ outcome }) => outcome),
      ['conflict', 'applied', 'value'],
    );
    await probe.close();
  });

  test('is decided again, from what is durable, when that flush fails', async () => {
    const { held, log, probe } = await heldLog();
    const first = submit(log, [put('a', 1)]);
    await turns(3);
    const second = submit(log, [put('a', 2, { ifAbsent: true }), put('b', 1, { ifPresent: true })]);
    await turns(3);
    held[0]?.end(true);
    while (held.length < 2) await turn();
    held[1]?.end(false);
    assert.equal((await first)[0]?.outcome, 'refused');
    assert.deepEqual(
      (await second).map(({ outcome }) => outcome),
      ['applied', 'conflict'],
    );
    assert.deepEqual([log.view.head(0), log.view.get('a')?.value?.data], [1, '2']);
    await probe.close();
  });

  test('is answered, with what was submitted meanwhile, where the store cannot be read', async () => {
    const { held, log, probe } = await heldLog();
    const first = submit(log, [put('a', 1)]);
    await turns(3);
    const ahead = submit(log, [put('a', 2)]);
    await turns(3);
    const { view } = log;
    const due = view.due.bind(view);
    view.due = () => {
      throw new Error('a page cannot be read');
    };
    const meanwhile = Promise.all([
      assert.rejects(log.submit({ commands: [put('b', 1)], principal: ANONYMOUS, atomic: true }), { code: 'internal' }),
      assert.rejects(log.leases.acquire('l', 'h', 1000), { code: 'internal' }),
    ]);
    held[0]?.end(false);
    assert.equal((await first)[0]?.outcome, 'applied');
    assert.deepEqual(
      (await ahead).map((outcome) => 'code' in outcome && outcome.code),
      ['internal'],
    );
    await meanwhile;
    view.due = due;
    const next = submit(log, [put('a', 3, { ifAbsent: true })]);
    assert.equal((await next)[0]?.outcome, 'conflict');
    assert.equal(log.view.head(0), 1);
    assert.ok(probe.faults.length > 0);
    await probe.close();
  });

  const command = fc.oneof(
    fc.record({
      kind: fc.constantFrom('put', 'absent', 'present', 'remove', 'idempotent', 'matching', 'read'),
      key: fc.nat(5),
    }),
  );
  const batch = fc.record({
    commands: fc.array(command, { minLength: 1, maxLength: 5 }),
    // Some fill a step and go on in the next.
    repeats: fc.constantFrom(1, 1, 1, 300),
    waits: fc.nat(3),
    fails: fc.boolean(),
  });

  test('tells what one after the other would, whatever fails', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(batch, { minLength: 2, maxLength: 8 }), async (batches) => {
        const { held, log, probe } = await heldLog();
        let name = 0;
        let open = 0;
        const sent = batches.map(({ commands, repeats }) =>
          Array.from({ length: repeats }, () => commands)
            .flat()
            .map(({ key, kind }) => {
              name += 1;
              return commandOf(kind, `k${key}`, name);
            }),
        );
        const answers: Promise<readonly Outcome[]>[] = [];
        for (const [index, { fails, waits }] of batches.entries()) {
          open += 1;
          const answer = submit(log, sent[index] as Command[]);
          answers.push(
            answer.finally(() => {
              open -= 1;
            }),
          );
          await turns(waits);
          if (waits === 3) held.shift()?.end(fails);
        }
        while (open > 0) {
          held.shift()?.end(false);
          await turn();
        }
        const model = new Map<string, string>();
        let changes = 0;
        for (const [index, answer] of answers.entries()) {
          for (const [place, outcome] of (await answer).entries())
            changes += replay(model, sent[index]?.[place] as Command, outcome);
        }
        assert.equal(log.view.head(0), changes);
        const entries = log.view.list({ limit: 100 }).entries.map(({ key, value }) => [key, value?.data]);
        assert.deepEqual(
          entries,
          [...model].sort(([a], [b]) => (a < b ? -1 : 1)),
        );
        assert.deepEqual(probe.faults, []);
        await probe.close();
      }),
      { numRuns: 20 },
    );
  });
});

function commandOf(kind: string, key: string, name: number): Command {
  if (kind === 'remove') return { op: 'remove', key };
  if (kind === 'read') return { op: 'read', key };
  if (kind === 'matching') return { op: 'removeMatching', pattern: key };
  return put(key, name, {
    ...(kind === 'absent' ? { ifAbsent: true } : {}),
    ...(kind === 'present' ? { ifPresent: true } : {}),
    ...(kind === 'idempotent' ? { idempotencyKey: `n${name}` } : {}),
  });
}

/** Plays a command as it was answered; how many changes it made. */
function replay(model: Map<string, string>, command: Command, outcome: Outcome): number {
  if (outcome.outcome === 'refused') {
    assert.equal(outcome.code, 'storage-full');
    return 0;
  }
  const key = command.op === 'removeMatching' ? command.pattern : command.key;
  const isThere = model.has(key);
  if (command.op === 'read') {
    assert.ok(outcome.outcome === 'value' && 'entry' in outcome);
    assert.equal(outcome.entry?.value?.data, model.get(key));
    return 0;
  }
  if (command.op === 'remove') assert.equal(outcome.outcome, isThere ? 'applied' : 'duplicate');
  if (command.op === 'removeMatching') {
    assert.ok(outcome.outcome === 'applied' && 'removed' in outcome);
    assert.equal(outcome.removed, isThere ? 1 : 0);
  }
  if (command.op !== 'put') {
    model.delete(key);
    return isThere ? 1 : 0;
  }
  const holds = !(command.ifAbsent === true && isThere) && !(command.ifPresent === true && !isThere);
  assert.equal(outcome.outcome, holds ? 'applied' : 'conflict');
  if (!holds) return 0;
  model.set(key, command.value.data as string);
  return 1;
}

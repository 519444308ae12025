import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { describe, type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { keepingLogger } from '../../../test/support/memory-core.ts';
import { MemoryLog } from '../../../test/support/memory-log.ts';
import { Supervisor, type SupervisorTimes } from './supervisor.ts';

const STAND_IN = fileURLToPath(new URL('stand-in.fixture.ts', import.meta.url));
/** Nobody who answers at all is late on a busy machine; who freezes is found soon only where that is the matter. */
const PATIENT: Partial<SupervisorTimes> = { backoffMinMs: 1, backoffMaxMs: 5 };
const QUICK: Partial<SupervisorTimes> = { ...PATIENT, pingMs: 20, missedPingsMax: 3, reportMs: 50 };

interface Supervised {
  readonly supervisor: Supervisor;
  readonly children: ChildProcess[];
  readonly errors: readonly { readonly message: string }[];
  readonly hopeless: Promise<Error>;
  /** Resolves when so many workers are gone. */
  gone(count: number): Promise<void>;
}

/** Workers that do in turn as the list says, and the last of it from then on. */
function supervise(scope: TestContext, count: number, hows: readonly string[], times = PATIENT): Supervised {
  const { errors, logger } = keepingLogger();
  const children: ChildProcess[] = [];
  const hopeless = Promise.withResolvers<Error>();
  let onGone = () => {};
  let goneCount = 0;
  let refused = 0;
  const supervisor = new Supervisor({
    count,
    spawn: () => {
      const how = hows[Math.min(children.length + refused, hows.length - 1)] as string;
      if (how === 'refuse') {
        refused += 1;
        throw new Error('spawn ENOMEM');
      }
      const child = spawn(process.execPath, ['--conditions=source', STAND_IN, how], {
        stdio: ['ignore', 'ignore', 'inherit', 'ignore', 'pipe'],
      });
      children.push(child);
      return child;
    },
    log: new MemoryLog(1024),
    step: () => 0,
    nowMicros: () => 0,
    onGone: () => {
      goneCount += 1;
      onGone();
    },
    onHopeless: hopeless.resolve,
    flows: () => ({ sources: [], sinks: [] }),
    metrics: async () => [],
    logger,
    reportFault: (_stage, error) => assert.fail(String(error)),
    random: () => 1,
    monotonicMs: () => performance.now(),
    times,
  });
  scope.after(() => supervisor.stop(0));
  return {
    supervisor,
    children,
    errors,
    hopeless: hopeless.promise,
    gone: (wanted) =>
      new Promise((done) => {
        onGone = () => {
          if (goneCount >= wanted) done();
        };
        onGone();
      }),
  };
}

describe('a supervisor of workers', () => {
  test('puts another worker in the place of one that died', async (t) => {
    const { children, gone, supervisor } = supervise(t, 2, ['serve']);
    await supervisor.start();
    children[0]?.kill('SIGKILL');
    await gone(1);
    while (supervisor.counts().serving < 2) await turn();
    assert.deepEqual(supervisor.counts(), { serving: 2, restarts: 1 });
    const reports = await supervisor.reports();
    assert.deepEqual(
      reports.map(({ number, report, restarts }) => [number, report?.connections, restarts]),
      [
        [1, 7, 1],
        [2, 7, 0],
      ],
    );
  });

  test('kills a worker that answers no ping, and does not wait for its report', async (t) => {
    const { children, errors, gone, supervisor } = supervise(t, 1, ['freeze', 'serve'], QUICK);
    await supervisor.start();
    const [frozen] = await supervisor.reports();
    assert.equal(frozen?.report, undefined);
    await gone(1);
    assert.equal(children[0]?.signalCode, 'SIGKILL');
    assert.ok(errors.some(({ message }) => /worker 1 has not answered 3 pings: killing it/.test(message)));
  });

  test('gives up on a worker that dies again and again before it serves, and says so in a line', async (t) => {
    const { children, errors, hopeless, supervisor } = supervise(t, 1, ['die']);
    await assert.rejects(supervisor.start(), /Worker 1 ended \(exit code 3\) before it served/);
    assert.match((await hopeless).message, /worker 1/);
    assert.equal(children.length, 5);
    assert.match(errors.at(-1)?.message ?? '', /worker 1 died 5 times in a row before it served: giving up/);
  });

  test('tries again where the system starts no process, and goes on meanwhile', async (t) => {
    const { children, errors, gone, supervisor } = supervise(t, 1, ['serve', 'refuse', 'refuse', 'serve']);
    await supervisor.start();
    children[0]?.kill('SIGKILL');
    await gone(1);
    while (supervisor.counts().serving < 1) await turn();
    assert.deepEqual(supervisor.counts(), { serving: 1, restarts: 3 });
    assert.ok(errors.some(({ message }) => /worker 1 could not be started; it is tried again/.test(message)));
  });

  test('does not count deaths before it served against one that served in between', async (t) => {
    const { children, gone, supervisor } = supervise(t, 1, [
      'serve',
      'die',
      'die',
      'die',
      'serve',
      'die',
      'die',
      'serve',
    ]);
    await supervisor.start();
    children[0]?.kill('SIGKILL');
    await gone(4);
    while (supervisor.counts().serving < 1) await turn();
    children[4]?.kill('SIGKILL');
    await gone(7);
    while (supervisor.counts().serving < 1) await turn();
    assert.equal(supervisor.counts().restarts, 7);
  });

  test('stops all, and kills at the deadline what does not end', async (t) => {
    const { children, supervisor } = supervise(t, 2, ['freeze', 'serve']);
    await supervisor.start();
    await supervisor.stop(3000);
    assert.deepEqual(
      children.map(({ exitCode, signalCode }) => [exitCode, signalCode]),
      [
        [null, 'SIGKILL'],
        [0, null],
      ],
    );
  });
});

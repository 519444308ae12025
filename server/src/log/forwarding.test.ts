import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type LogProbe, logSuite } from '../../../test/conformance/log.suite.ts';
import { DEFAULT_SETTINGS, type Settings } from '../config/settings.ts';
import { silentLogger } from '../shared/logger.ts';
import { Follower } from '../view/follower.ts';
import { Channel } from '../workers/channel.ts';
import type { OwnerFrame, WorkerFrame } from '../workers/frames.ts';
import { OwnerLink } from '../workers/owner-link.ts';
import { Supervisor } from '../workers/supervisor.ts';
import { ForwardingLog } from './forwarding.ts';
import type { LocalLog } from './local.ts';
import { makeLocalProbe } from './local-probe.fixture.ts';

/** What the supervisor takes for a process: one end of the channel, whose other end is in this process too. */
class SameProcess extends EventEmitter {
  readonly pid = process.pid;
  readonly stdio: readonly unknown[];

  constructor(socket: Socket) {
    super();
    this.stdio = [null, null, null, null, socket];
  }

  end(): void {
    this.emit('exit', 0, null);
  }

  kill(): boolean {
    this.end();
    return true;
  }
}

async function socketPair(): Promise<readonly [Socket, Socket]> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = connect((server.address() as { port: number }).port, '127.0.0.1');
  const [far] = (await once(server, 'connection')) as [Socket];
  server.close();
  near.setNoDelay(true);
  far.setNoDelay(true);
  return [near, far];
}

/** The log of a worker over a real channel to a real owner; only the process is the same. */
async function makeForwardingProbe(): Promise<LogProbe> {
  let wake = () => {};
  const local = await makeLocalProbe(undefined, () => wake());
  let owner: LocalLog | undefined;
  let worker: ForwardingLog | undefined;
  let end = async () => {};

  const forward = async (log: LocalLog, settings: Settings) => {
    const [near, far] = await socketPair();
    const child = new SameProcess(near);
    const supervisor = new Supervisor({
      count: 1,
      spawn: () => child as unknown as ChildProcess,
      log,
      step: () => log.view.steps,
      nowMicros: () => log.view.nowMicros(),
      onGone: () => log.view.forgetDeadReaders(),
      onHopeless: (error) => assert.fail(error),
      flows: () => ({ sources: [], sinks: [] }),
      metrics: async () => [],
      logger: silentLogger,
      reportFault: (_stage, error) => local.faults.push(error),
      random: () => 0.5,
      monotonicMs: () => performance.now(),
    });
    wake = () => supervisor.wake();
    const channel = new Channel<OwnerFrame, WorkerFrame>(
      far,
      (frame) => link.take(frame),
      () => undefined,
    );
    const view = new Follower({
      directory: local.directory,
      clock: local.clock,
      step: log.view.steps,
      reportFault: (_stage, error) => local.faults.push(error),
    });
    const link = new OwnerLink({
      channel,
      state: log.state(),
      onNews: ({ nowMicros, step }) => view.announce(step, nowMicros),
      onStop: () => {
        link.close();
        child.end();
      },
      report: async () => ({ connections: 0, feed: { watchers: 0, groups: 0, behind: 0 }, metrics: [] }),
    });
    channel.send({ kind: 'ready' });
    await supervisor.start();
    owner = log;
    worker = new ForwardingLog({ kind: log.kind, owner: link, view, limits: settings.limits });
    end = async () => {
      await worker?.close();
      await supervisor.stop(1000);
      far.destroy();
      await owner?.close();
    };
    return worker;
  };

  let settings = DEFAULT_SETTINGS;
  return {
    clock: local.clock,
    open: async (change) => {
      await end();
      settings = change === undefined ? DEFAULT_SETTINGS : change(DEFAULT_SETTINGS);
      return forward(await local.open(change), settings);
    },
    reopen: async () => {
      await end();
      return forward(await local.reopen(), settings);
    },
    settleDue: async () => {
      await owner?.settleDue();
      await worker?.view.shown(owner?.view.steps ?? 0, 5000);
    },
    deciding: () => owner as LocalLog,
    failNextStep: () => local.failNextStep(),
    close: async () => {
      await end();
      await local.close();
      assert.deepEqual(local.faults, [], 'no fault was reported');
    },
  };
}

logSuite('local, through a worker', makeForwardingProbe);

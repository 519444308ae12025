import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import type { Format } from '../../server/src/formats/format.ts';
import { type LocalProbe, makeLocalProbe } from '../../server/src/log/local-probe.fixture.ts';
import type { Batch, Log } from '../../server/src/log/log.ts';
import type { Source } from '../../server/src/sources/source.ts';
import { Random, seedFrom } from '../guarantees/random.ts';
import { eventually } from '../support/waiting.ts';
import { jsonOf } from './log-tools.ts';

/** What an adapter's test gives the suite: a place where messages come from, and sources that read there. */
export interface SourceProbe {
  makeSource(log: Log, leaseTtlMs?: number): Source;
  /** Sends messages, `KEY=NUMBER` each, that the source makes a put of; resolves when the place has them. */
  send(...messages: readonly string[]): Promise<void>;
  /** A message that can't be read, and the field of its dead letter's coordinates; undefined where every message can. */
  readonly poison?: { readonly message: string; readonly coordinate: string };
  /** Of messages to one key in a row only the last may be taken, as its place keeps values and not messages. */
  readonly isConflating?: boolean;
  /** The place keeps no message: what a source tells that it may have missed may be missing. */
  readonly isForgetful?: boolean;
  /** The place is gone, and comes back with what it had. */
  cut(): Promise<void>;
  restore(): Promise<void>;
  close(): Promise<void>;
}

/** `KEY=NUMBER` becomes a put of the number. */
export const PAIRS: Format = {
  kind: 'pairs',
  decode({ body }) {
    const [, key, data] = /^([^=]+)=(\d+)$/.exec(body.toString()) ?? [];
    if (key === undefined || data === undefined)
      return [{ outcome: 'refused', code: 'event-invalid', message: 'The message is no KEY=NUMBER.' }];
    return [{ op: 'put', key, value: { kind: 'json', data } }];
  },
};

const LEASE_TTL_MS = 300;

/** The log as another node of the same deployment has it; `isGone` ends it as a kill -9 does. */
class Node {
  isGone = false;
  /** What becomes of a batch before the log has it, and after. */
  before: (batch: Batch) => void = () => {};
  after: (batch: Batch) => void = () => {};
  readonly log: Log;

  constructor(log: Log, node: string) {
    const gone = () => {
      if (this.isGone) throw new LatchkeyError('closing', 'This node is gone.', { retryAfter: 1 });
    };
    const submit = async (batch: Batch) => {
      gone();
      this.before(batch);
      const settled = await log.submit(batch);
      this.after(batch);
      return settled;
    };
    const acquire: Log['leases']['acquire'] = async (name, _, ttlMs) => {
      gone();
      const lease = await log.leases.acquire(name, node, ttlMs);
      return (
        lease && {
          ...lease,
          renew: async () => !this.isGone && lease.renew(),
          release: async () => {
            if (!this.isGone) await lease.release();
          },
        }
      );
    };
    const own: Partial<Log> = { node, submit, leases: { acquire } };
    this.log = new Proxy(log, {
      get(target, name) {
        const value = own[name as keyof Log] ?? Reflect.get(target, name, target);
        return typeof value === 'function' && !(name in own) ? value.bind(target) : value;
      },
    });
  }
}

/** The promises that every source keeps. */
export function sourceSuite(name: string, makeProbe: () => Promise<SourceProbe>): void {
  describe(`source ${name}`, () => {
    let probe: SourceProbe;
    let logs: LocalProbe;
    let log: Log;
    const sources: Source[] = [];

    beforeEach(async () => {
      probe = await makeProbe();
      logs = await makeLocalProbe();
      log = await logs.open();
    });

    const each = (promise: string, body: () => Promise<void>) =>
      test(promise, { timeout: 60_000 }, async () => {
        try {
          await body();
        } finally {
          await Promise.all(sources.splice(0).map((source) => source.close()));
          await logs.close();
          await probe.close();
        }
        assert.deepEqual(logs.faults, []);
      });
    const start = async (node: Node, leaseTtlMs = LEASE_TTL_MS) => {
      const source = probe.makeSource(node.log, leaseTtlMs);
      sources.push(source);
      source.start();
      await eventually('a source that is ready', () => source.state().isReady);
      return source;
    };
    const has = (key: string, value: number) => eventually(`${key}=${value}`, () => jsonOf(log, key) === value);
    /** Each message is one change. */
    const assertChanges = (count: number, says = 'each message is one change') => {
      const head = log.view.head(0);
      if (probe.isConflating === true) assert.ok(head <= count, `${says}: ${head} of ${count}`);
      else assert.equal(head, count, says);
    };
    const numbered = (from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, index) => `n=${from + index}`);

    each('takes every message, in order, and tells how many', async () => {
      const source = await start(new Node(log, 'a'));
      await probe.send(...Array.from({ length: 500 }, (_, index) => `key.${index % 7}=${index}`));
      await has('key.2', 499);
      assertChanges(500);
      await eventually('no lag', () => source.state().lagMs === 0);
      const { applied, deadLettered, isHolder, received } = source.state();
      assert.deepEqual([applied, deadLettered, isHolder, received], [log.view.head(0), 0, true, 500]);
    });

    each('of two nodes one takes a message, and the other goes on where it ended', async () => {
      const first = await start(new Node(log, 'a'));
      await eventually('a holder', () => first.state().isHolder);
      const second = await start(new Node(log, 'b'));
      await probe.send(...numbered(1, 20));
      await has('n', 20);
      assert.equal(second.state().isHolder, false);
      const closed = first.close();
      await probe.send(...numbered(21, 40));
      await closed;
      await probe.send(...numbered(41, 60));
      await has('n', 60);
      await eventually('another holder', () => second.state().isHolder);
      assertChanges(60);
    });

    each('a node that is gone without a word loses nothing and repeats nothing', async () => {
      const dead = new Node(log, 'a');
      const first = await start(dead);
      await eventually('a holder', () => first.state().isHolder);
      const second = await start(new Node(log, 'b'));
      await probe.send(...numbered(1, 20));
      await has('n', 20);
      dead.isGone = true;
      await probe.send(...numbered(21, 40));
      await eventually('no holder', () => !first.state().isHolder);
      logs.clock.advance(LEASE_TTL_MS);
      await has('n', 40);
      assert.ok(second.state().isHolder);
      assertChanges(40);
    });

    each('whichever nodes close, die and begin, each message is one change, or in a gap that is told', async () => {
      const seed = seedFrom(process.env.LATCHKEY_SEED);
      const random = new Random(seed);
      const nodes: { readonly node: Node; readonly source: Source }[] = [];
      const begin = async () => {
        const node = new Node(log, `node-${sources.length}`);
        nodes.push({ node, source: await start(node, 3 * LEASE_TTL_MS) });
      };
      let sent = 0;
      const send = async () => {
        const next = sent + random.between(1, 10);
        await probe.send(...numbered(sent + 1, next));
        sent = next;
      };
      await begin();
      await begin();
      for (let round = 0; round < 12; round += 1) {
        await begin();
        const [leaving] = nodes.splice(random.between(0, nodes.length - 1), 1);
        assert.ok(leaving !== undefined);
        const isDying = random.chance(0.5);
        leaving.node.isGone = isDying;
        const closed = isDying ? undefined : leaving.source.close();
        await send();
        await closed;
        if (isDying) await eventually('a node that knows', () => !leaving.source.state().isHolder);
        logs.clock.advance(3 * LEASE_TTL_MS);
        await send();
        if (random.chance(0.5)) await has('n', sent);
      }
      await has('n', sent).catch((error: unknown) => assert.fail(`LATCHKEY_SEED=${seed}: ${error}`));
      const isTold = sources.some((source) => (source.state().gaps ?? 0) > 0);
      if (probe.isForgetful === true && isTold)
        assert.ok(log.view.head(0) <= sent, `LATCHKEY_SEED=${seed}: ${log.view.head(0)} of ${sent}`);
      else assertChanges(sent, `LATCHKEY_SEED=${seed}: each message is one change`);
    });

    each('waits over faults of the log, says why, and loses nothing', async () => {
      const node = new Node(log, 'a');
      const source = await start(node);
      await probe.send('n=1');
      await has('n', 1);
      node.before = () => {
        throw new LatchkeyError('storage-full', 'The disk is full.', { retryAfter: 1 });
      };
      await probe.send('n=2', 'n=3');
      await eventually('a reason', () => source.state().reason === 'The disk is full.');
      assert.equal(source.state().isReady, false);
      assert.equal(jsonOf(log, 'n'), 1);
      node.before = () => {};
      await has('n', 3);
      await eventually('a source that is ready', () => source.state().isReady);
      assertChanges(3);
    });

    each('an answer of the log that is lost is no second write', async () => {
      const node = new Node(log, 'a');
      await start(node);
      await probe.send('n=1');
      await has('n', 1);
      let losses = 3;
      node.after = ({ commands }) => {
        if (commands.length === 0 || losses === 0) return;
        losses -= 1;
        throw new LatchkeyError('not-ready', 'The answer was lost.', { retryAfter: 1 });
      };
      for (let value = 2; value <= 9; value += 1) await probe.send(`n=${value}`);
      await has('n', 9);
      assert.ok(losses < 3);
      assertChanges(9);
    });

    each('what can not be read is a dead letter that says where it came from, and stops nothing', async () => {
      if (probe.poison === undefined) return;
      const { coordinate, message } = probe.poison;
      const source = await start(new Node(log, 'a'));
      await probe.send('n=1', message, 'n=2', message, 'n=3');
      await has('n', 3);
      const { deadLetters } = log.deadLetters.list({ limit: 10 });
      assert.deepEqual(
        deadLetters.map(({ message: text, source: from }) => [text.toString(), from]),
        [
          [message, source.name],
          [message, source.name],
        ],
      );
      assert.ok(deadLetters.every(({ coordinates }) => coordinates[coordinate] !== undefined));
      assert.equal(source.state().deadLettered, 2);
    });

    each('says that the place is gone, and goes on when it is back', async () => {
      const source = await start(new Node(log, 'a'));
      await probe.send('n=1');
      await has('n', 1);
      await probe.cut();
      await eventually('a source that waits', () => !source.state().isReady);
      assert.match(String(source.state().reason), /\w/);
      await probe.restore();
      await eventually('a source that is ready', () => source.state().isReady);
      await probe.send('n=2');
      await has('n', 2);
      assertChanges(2);
    });

    each('starts though the place is not there, and takes messages once it is', async () => {
      await probe.cut();
      const source = probe.makeSource(log, LEASE_TTL_MS);
      sources.push(source);
      source.start();
      await eventually('a reason', () => /reached|connected/.test(source.state().reason ?? ''));
      await probe.restore();
      await eventually('a source that is ready', () => source.state().isReady);
      await probe.send('n=1');
      await has('n', 1);
    });

    each('closes more than once, and before it was started', async () => {
      const never = probe.makeSource(log, LEASE_TTL_MS);
      await never.close();
      const source = await start(new Node(log, 'a'));
      await probe.send('n=1');
      await has('n', 1);
      await Promise.all([source.close(), source.close()]);
      await source.close();
      await probe.send('n=2');
      const next = await start(new Node(log, 'b'));
      await probe.send('n=3');
      await has('n', 3);
      assert.equal(source.state().isHolder, false);
      assert.ok(next.state().isReady);
    });
  });
}

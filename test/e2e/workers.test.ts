import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, get, put } from '../support/http-client.ts';
import { type ServerOptions, ServerProcess } from '../support/server-process.ts';
import { SseClient } from '../support/sse-client.ts';

interface WorkerStatus {
  readonly number: number;
  readonly pid: number;
  readonly restarts: number;
  readonly answers: boolean;
  readonly connections?: number;
}

interface Status {
  readonly feed: { readonly watchers: number };
  readonly workers: readonly WorkerStatus[];
}

const DEADLINE_MS = 30_000;

function start(scope: TestContext, count: number, options: ServerOptions = {}): Promise<ServerProcess> {
  return ServerProcess.start({ ...options, args: [...(options.args ?? []), '--workers', String(count)] }, scope);
}

async function statusOf(server: ServerProcess): Promise<Status> {
  return (await ask(`${server.url}/v1/status`)).json as Status;
}

/** Asks until it holds; a worker that was just killed may take the question with it. */
async function until<T>(what: string, look: () => Promise<T>, holds: (seen: T) => boolean): Promise<T> {
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  let seen: T | undefined;
  while (!deadline.aborted) {
    seen = await look().catch(() => undefined);
    if (seen !== undefined && holds(seen)) return seen;
    await sleep(20);
  }
  throw new Error(`not ${what} within ${DEADLINE_MS} ms: ${JSON.stringify(seen)}`);
}

const isWhole = (status: Status) => status.workers.every(({ answers }) => answers);

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // What its parent has not looked after yet is gone all the same; a child of a killed parent is init's.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function gone(pids: readonly number[]): Promise<void> {
  await until(
    `gone: ${pids.join(', ')}`,
    async () => pids.filter(isThere),
    (left) => left.length === 0,
  );
}

/** Watches from where it was cut off, and keeps every value that it saw. */
class Follower {
  readonly seen: number[] = [];
  readonly names: string[] = [];
  cuts = 0;
  readonly #url: string;
  #lastEventId: string | undefined;
  #isDone = false;
  #stream: SseClient | undefined;
  #arrived = () => {};

  constructor(server: ServerProcess) {
    this.#url = `${server.url}/v1/watch?prefix=k.`;
  }

  async run(): Promise<void> {
    while (!this.#isDone) {
      const options = this.#lastEventId === undefined ? {} : { lastEventId: this.#lastEventId };
      try {
        this.#stream = await SseClient.open(
          this.#url,
          options,
          ({ data, event, id }) => {
            if (event === 'message') this.seen.push((JSON.parse(data) as { value: number }).value);
            else this.names.push(event);
            if (id !== undefined) this.#lastEventId = id;
            this.#arrived();
          },
          { keepsEvents: false },
        );
        await this.#stream.ended();
      } catch {
        // The worker that took the connection was killed before it answered.
      }
      this.cuts += 1;
      if (!this.#isDone) await sleep(5);
    }
  }

  async saw(value: number): Promise<void> {
    await new Promise<void>((done) => {
      this.#arrived = () => {
        if (this.seen.includes(value)) done();
      };
      this.#arrived();
    });
  }

  stop(): void {
    this.#isDone = true;
    this.#stream?.close();
  }
}

describe('a server with workers', () => {
  test('answers every write so that any worker shows it at once', async (t) => {
    const server = await start(t, 3);
    for (let value = 0; value < 200; value += 1) {
      await put(server.url, 'a', value);
      // A connection of its own, so that another worker may take it.
      const answer = await ask(`${server.url}/v1/keys/a`, { headers: { connection: 'close' } });
      assert.equal(answer.text, String(value));
    }
    const { workers } = await statusOf(server);
    assert.deepEqual(
      workers.map(({ answers, number, restarts }) => ({ answers, number, restarts })),
      [1, 2, 3].map((number) => ({ answers: true, number, restarts: 0 })),
    );
  });

  test('loses no delivery and repeats none when single workers are killed under it', async (t) => {
    const server = await start(t, 2);
    const followers = Array.from({ length: 6 }, () => new Follower(server));
    t.after(() => {
      for (const follower of followers) follower.stop();
    });
    const running = followers.map((follower) => follower.run());
    let value = 0;
    let restarts = 0;
    for (let kills = 0; kills < 5; kills += 1) {
      for (let writes = 0; writes < 60; writes += 1) {
        value += 1;
        // A put of one value is the same however often it is sent: a write whose answer was lost is written again.
        const wanted = value;
        await until(
          'written',
          () => put(server.url, `k.${wanted}`, wanted),
          ({ status }) => status === 200,
        );
        if (writes !== 30) continue;
        const { workers } = await until('whole', () => statusOf(server), isWhole);
        const victim = workers[kills % workers.length] as WorkerStatus;
        process.kill(victim.pid, 'SIGKILL');
        restarts += 1;
      }
      await until(
        'replaced',
        () => statusOf(server),
        (status) => isWhole(status) && status.workers.reduce((sum, worker) => sum + worker.restarts, 0) === restarts,
      );
    }
    await Promise.all(followers.map((follower) => follower.saw(value)));
    for (const follower of followers) {
      follower.stop();
      assert.deepEqual([...new Set(follower.seen)], follower.seen, 'no value twice');
      assert.deepEqual(
        [...follower.seen].sort((a, b) => a - b),
        Array.from({ length: value }, (_, index) => index + 1),
      );
      assert.ok(!follower.names.includes('reset') && !follower.names.includes('conflated'), follower.names.join(' '));
    }
    assert.ok(followers.some(({ cuts }) => cuts > 0));
    await Promise.all(running);
    const died = server.records.filter(({ message }) => /^worker \d died \(SIGKILL\)/.test(String(message)));
    assert.equal(died.length, 5);
  });

  test('goes on while a worker is stopped, and kills and replaces it', async (t) => {
    const server = await start(t, 2);
    const before = await statusOf(server);
    const [frozen, other] = before.workers as [WorkerStatus, WorkerStatus];
    const watch = await SseClient.open(`${server.url}/v1/watch`);
    t.after(() => watch.close());
    process.kill(frozen.pid, 'SIGSTOP');
    // Whatever connections the stopped worker holds wait with it; new ones are taken by the other.
    const fresh = { headers: { connection: 'close' } };
    const after = await until(
      'replaced',
      async () => {
        const signal = AbortSignal.timeout(2000);
        return (await (await fetch(`${server.url}/v1/status`, { ...fresh, signal })).json()) as Status;
      },
      ({ workers }) => workers[0]?.answers === true && workers[0].pid !== frozen.pid,
    );
    assert.deepEqual(
      after.workers.map(({ pid, restarts }) => [pid === other.pid, restarts]),
      [
        [false, 1],
        [true, 0],
      ],
    );
    await gone([frozen.pid]);
    assert.ok(server.records.some(({ message }) => /^worker 1 has not answered \d+ pings/.test(String(message))));
    assert.equal((await put(server.url, 'a', 1)).status, 200);
  });

  test('whose owner is stopped goes on reading and watching, says that it takes no writes, and takes them again', async (t) => {
    // One, so that who says so is who is asked next.
    const server = await start(t, 1);
    await put(server.url, 'a', 'before');
    const watch = await SseClient.open(`${server.url}/v1/watch`);
    t.after(() => watch.close());
    await watch.named('synced');
    server.signal('SIGSTOP');
    t.after(() => server.signal('SIGCONT'));
    const ready = await until(
      'not ready',
      () => ask(`${server.url}/ready`),
      ({ status }) => status === 503,
    );
    assert.match(ready.text, /the process that owns the log does not answer/);
    assert.equal((await put(server.url, 'a', 'meanwhile')).status, 503);
    assert.equal((await get(server.url, 'a')).text, '"before"');
    server.signal('SIGCONT');
    await until(
      'ready',
      () => ask(`${server.url}/ready`),
      ({ status }) => status === 200,
    );
    await until(
      'written',
      () => put(server.url, 'a', 'after'),
      ({ status }) => status === 200,
    );
    await watch.changeCount(2);
    assert.deepEqual(
      watch.changes.map(({ value }) => value),
      ['before', 'after'],
    );
  });

  test('whose owner is killed leaves no worker, and starts again on the same data and port', async (t) => {
    const server = await start(t, 2);
    for (let round = 0; round < 3; round += 1) {
      const { workers } = await statusOf(server);
      await put(server.url, 'a', round);
      const pids = workers.map(({ pid }) => pid);
      await server.kill();
      await server.restart();
      await gone(pids);
      assert.equal((await get(server.url, 'a')).text, String(round));
    }
  });

  test('says bye to every watcher when it is told to stop, and leaves nobody', async (t) => {
    const server = await start(t, 2);
    const watches = await Promise.all(Array.from({ length: 8 }, () => SseClient.open(`${server.url}/v1/watch`)));
    for (const watch of watches) await watch.named('synced');
    const { feed, workers } = await statusOf(server);
    assert.equal(feed.watchers, 8);
    // As a terminal does, to the whole group.
    for (const { pid } of workers) process.kill(pid, 'SIGINT');
    server.signal('SIGINT');
    assert.deepEqual(await server.exited, { code: 0, signal: null }, server.output);
    for (const watch of watches) await watch.named('bye');
    await gone(workers.map(({ pid }) => pid));
  });

  test('tells the metrics of all its processes as one', async (t) => {
    const server = await start(t, 2);
    await put(server.url, 'a', 1);
    const watches = await Promise.all(Array.from({ length: 5 }, () => SseClient.open(`${server.url}/v1/watch`)));
    t.after(() => {
      for (const watch of watches) watch.close();
    });
    for (const watch of watches) await watch.named('synced');
    const { text } = await ask(`${server.url}/metrics`);
    const value = (name: string) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
    assert.equal(value('latchkey_feed_watchers'), 5);
    assert.equal(value('latchkey_view_keys'), 1);
    assert.equal(value('latchkey_workers'), 2);
    assert.equal(value('latchkey_worker_restarts_total'), 0);
    assert.equal(value('latchkey_ready'), 1);
    assert.match(text, /^latchkey_outcomes_total\{outcome="applied"\} 1$/m);
    assert.match(text, /^latchkey_outcomes_total\{outcome="late"\} 0$/m);
    assert.match(
      text,
      /^latchkey_http_request_duration_seconds_count\{method="PUT",route="\/v1\/keys\/\*",status="200"\} 1$/m,
    );
  });

  test('shows dead letters, source progress and idempotent answers whichever worker is asked', async (t) => {
    const server = await start(t, 2);
    const send = (expected: string | undefined, next: string) =>
      fetch(`${server.url}/v1/commands`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          connection: 'close',
          'latchkey-source': 'import/0',
          ...(expected === undefined ? {} : { 'latchkey-expected-offset': expected }),
          'latchkey-next-offset': next,
        },
        body: JSON.stringify([{ op: 'put', key: 'p', value: next, idempotencyKey: `step-${next}` }]),
      });
    assert.equal((await send(undefined, '1')).status, 200);
    for (let step = 1; step < 20; step += 1) {
      assert.equal((await send(String(step), String(step + 1))).status, 200);
      const progress = await fetch(`${server.url}/v1/sources/import`, { headers: { connection: 'close' } });
      assert.match(await progress.text(), new RegExp(`"${step + 1}"`));
    }
    const mismatch = await send('3', '4');
    assert.equal(mismatch.status, 409);
    assert.equal(((await mismatch.json()) as { error: { progress: string } }).error.progress, '20');
  });

  test('that cannot listen says so in one line, and leaves no worker', async (t) => {
    const first = await start(t, 1);
    await assert.rejects(
      start(t, 2, { port: first.port }),
      (error: Error) => /Another process listens on 127\.0\.0\.1:\d+/.test(error.message) && /exit/.test(error.message),
    );
    assert.equal((await put(first.url, 'a', 1)).status, 200);
  });
});

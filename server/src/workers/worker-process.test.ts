import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { Duplex } from 'node:stream';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { deserialize, serialize } from 'node:v8';
import type { OwnerFrame, WorkerFrame } from './frames.ts';
import { CHANNEL_DESCRIPTOR, WorkerProcess } from './worker-process.ts';

/** The owner's end of a pipe whose other end takes nothing until it is told to. */
class SlowPipe extends Duplex {
  readonly #taken: Buffer[] = [];
  #take: (() => void) | undefined;
  #isTaking = false;

  constructor() {
    super({ writableHighWaterMark: 64 * 1024 });
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#taken.push(chunk);
    if (this.#isTaking) done();
    else this.#take = done;
  }

  takeAll(): void {
    this.#isTaking = true;
    this.#take?.();
  }

  frames(): readonly OwnerFrame[] {
    const all = Buffer.concat(this.#taken);
    const frames: OwnerFrame[] = [];
    for (let at = 0; at < all.length; at += 4 + all.readUInt32LE(at))
      frames.push(...(deserialize(all.subarray(at + 4, at + 4 + all.readUInt32LE(at))) as OwnerFrame[]));
    return frames;
  }
}

function listOf(frame: WorkerFrame): Buffer {
  const body = serialize([frame]);
  const head = Buffer.alloc(4);
  head.writeUInt32LE(body.length, 0);
  return Buffer.concat([head, body]);
}

describe('a worker as the owner sees it', () => {
  for (const answerBytes of [1000, 20_000, 40_000, 100_000]) {
    test(`hears of the newest step once it has taken an answer of ${answerBytes} bytes`, async () => {
      const pipe = new SlowPipe();
      const stdio: unknown[] = [];
      stdio[CHANNEL_DESCRIPTOR] = pipe;
      const child = Object.assign(new EventEmitter(), { pid: 1, stdio }) as unknown as ChildProcess;
      let step = 1;
      const worker = new WorkerProcess({
        number: 1,
        child,
        news: () => ({ step, nowMicros: 0, state: { isReady: true } }),
        onShown: () => undefined,
        onCall: ({ id }, reply) => reply({ kind: 'answer', id, value: Buffer.alloc(answerBytes) }),
      });
      pipe.push(listOf({ kind: 'call', id: 1, name: 'reports', asked: undefined }));
      await turn();
      step = 2;
      worker.wake();
      await turn();
      pipe.takeAll();
      await turn();
      const steps = pipe.frames().flatMap((frame) => (frame.kind === 'wake' ? [frame.step] : []));
      assert.equal(steps.at(-1), 2);
      child.emit('exit', 0, null);
      await worker.ended;
    });
  }
});

/**
 * Writers by every route, in closed loops, each value unlike any other. When the server goes they wait until it is back and go
 * on; what was not answered is only counted.
 */
import type { Outcome } from '@latchkey/client';
import { get, put, remove, sendCommands } from '../support/http-client.ts';
import { type Frame, WebSocketClient } from '../support/websocket-client.ts';
import type { Random } from './random.ts';
import type { Recorder, WireChange, Write } from './recorder.ts';
import type { Target } from './target.ts';

export interface WriterOptions {
  readonly name: string;
  readonly target: Target;
  readonly recorder: Recorder;
  readonly keys: readonly string[];
}

class WriteMaker {
  readonly #name: string;
  readonly #random: Random;
  readonly #keys: readonly string[];
  #count = 0;

  constructor({ name, keys, target }: WriterOptions) {
    this.#name = name;
    this.#keys = keys;
    this.#random = target.random.fork();
  }

  next(): Write {
    const key = this.#random.pick(this.#keys);
    if (this.#random.chance(0.12)) return { op: 'remove', key };
    this.#count += 1;
    return { op: 'put', key, value: `${this.#name}-${this.#count}${'.'.repeat(this.#random.between(0, 200))}` };
  }

  many(): readonly Write[] {
    return Array.from({ length: this.#random.between(1, 30) }, () => this.next());
  }
}

/** Goes on as long as the writers may; whatever the server's end breaks leads back to the gate. */
async function loop({ target, recorder }: WriterOptions, turn: () => Promise<void>): Promise<void> {
  while (!target.isStopping) {
    await target.up();
    try {
      await turn();
    } catch {
      recorder.unanswered += 1;
      await new Promise((done) => setImmediate(done));
    }
  }
}

/** `PUT` and `DELETE /v1/keys/{key}`, one at a time. */
export function writeByKey(options: WriterOptions): Promise<void> {
  const { name, recorder, target } = options;
  const maker = new WriteMaker(options);
  return loop(options, async () => {
    const write = maker.next();
    const sentAt = recorder.tick();
    const answer =
      write.op === 'put' ? await put(target.url, write.key, write.value) : await remove(target.url, write.key);
    const isAcked = answer.status === 200 && recorder.outcome(name, write, sentAt, answer.json as Outcome);
    if (isAcked) target.countAcks(1);
    else if (answer.status >= 500) recorder.unanswered += 1;
  });
}

/** `POST /v1/commands` as NDJSON, up to 30 a request. */
export function writeInBatches(options: WriterOptions): Promise<void> {
  const { name, recorder, target } = options;
  const maker = new WriteMaker(options);
  return loop(options, async () => {
    const writes = maker.many();
    const sentAt = recorder.tick();
    const outcomes = await sendCommands(target.url, writes);
    const acked = outcomes.filter((outcome, index) => recorder.outcome(name, writes[index] as Write, sentAt, outcome));
    target.countAcks(acked.length);
  });
}

/** Command frames of a WebSocket, pipelined. */
export function writeBySocket(options: WriterOptions): Promise<void> {
  const { name, recorder, target } = options;
  const maker = new WriteMaker(options);
  let lastId = 0;
  return loop(options, async () => {
    const pending = new Map<number, { readonly write: Write; readonly sentAt: number }>();
    let drained = () => {};
    const onFrame = (frame: Frame) => {
      const asked = pending.get(frame.id as number);
      if (asked === undefined || frame.op !== 'outcome') return;
      pending.delete(frame.id as number);
      if (recorder.outcome(name, asked.write, asked.sentAt, frame as unknown as Outcome)) target.countAcks(1);
      if (pending.size === 0) drained();
    };
    const socket = await WebSocketClient.open(target.url, '/v1/watch', onFrame, { keepsFrames: false });
    try {
      while (!target.isStopping) {
        const answered = new Promise<void>((done) => {
          drained = done;
        });
        for (const write of maker.many()) {
          lastId += 1;
          pending.set(lastId, { write, sentAt: recorder.tick() });
          socket.send({ ...write, id: lastId });
        }
        await Promise.race([answered, socket.untilClosed()]);
        if (socket.closed !== undefined) throw new Error('the server went');
      }
    } finally {
      socket.close();
    }
  });
}

/** Plain reads of random keys beside the writers: what one of them was shown must stay. */
export function readKeys(options: WriterOptions): Promise<void> {
  const { keys, recorder, target } = options;
  const random = target.random.fork();
  return loop(options, async () => {
    const answer = await get(target.url, random.pick(keys), '?meta=true');
    if (answer.status === 200) recorder.read(answer.json as WireChange);
  });
}

/**
 * Writers by every route, in closed loops, each value unlike any other. When the server goes they wait until it is back and go
 * on; what was not answered is only counted.
 */
import type { Outcome } from '@latchkey/client';
import { type Answer, put, remove, sendCommands } from '../support/http-client.ts';
import { type Frame, WebSocketClient } from '../support/websocket-client.ts';
import type { Put, Write } from './recorder.ts';
import { WriteMaker, type WriterOptions } from './write-maker.ts';

/** Goes on as long as the writers may; whatever the server's end breaks leads back to the gate. */
export async function loop({ target, recorder }: WriterOptions, turn: () => Promise<void>): Promise<void> {
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
    const write = maker.plain();
    const sentAt = recorder.tick();
    const after = recorder.lastAcked;
    const answer = await sendByKey(target.url, write);
    if (answer.status === 200) {
      if (recorder.outcome(name, write, sentAt, after, answer.json as Outcome)) target.countAcks(1);
    } else if (isUnsure((answer.json as { readonly error?: unknown }).error)) recorder.unanswered += 1;
    else recorder.refusal(name, write, codeOf(answer.json));
  });
}

function sendByKey(url: string, write: Put | Extract<Write, { op: 'remove' }>): Promise<Answer> {
  return write.op === 'remove' ? remove(url, write.key) : putByKey(url, write);
}

/** `PUT` with what a query can say: `ttl` and `valid`. */
export function putByKey(url: string, write: Put, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const query = new URLSearchParams();
  if (write.ttl !== undefined) query.set('ttl', String(write.ttl));
  if (write.valid !== undefined) query.set('valid', write.valid);
  return put(url, write.key, write.value, query.size === 0 ? '' : `?${query}`, headers);
}

/** An error that says that the write may have been made: the Redis of the log went away in the midst of it. */
function isUnsure(error: unknown): boolean {
  return (error as { readonly code?: string } | undefined)?.code === 'timeout';
}

export function codeOf(body: unknown): string {
  const { error } = (body ?? {}) as { readonly error?: { readonly code?: string } };
  return error?.code ?? 'without a code';
}

/** `POST /v1/commands` as NDJSON, up to 30 a request. */
export function writeInBatches(options: WriterOptions): Promise<void> {
  const { name, recorder, target } = options;
  const maker = new WriteMaker(options);
  return loop(options, async () => {
    const writes = maker.many();
    const sentAt = recorder.tick();
    const after = recorder.lastAcked;
    const outcomes = await sendCommands(target.url, writes);
    const acked = outcomes.filter((outcome, index) =>
      recorder.outcome(name, writes[index] as Write, sentAt, after, outcome),
    );
    target.countAcks(acked.length);
  });
}

interface Pending {
  readonly write: Write;
  readonly sentAt: number;
  readonly after: number;
}

/** Command frames of a WebSocket, pipelined. */
export function writeBySocket(options: WriterOptions): Promise<void> {
  const { name, recorder, target } = options;
  const maker = new WriteMaker(options);
  let lastId = 0;
  return loop(options, async () => {
    const pending = new Map<number, Pending>();
    let drained = () => {};
    const onFrame = (frame: Frame) => {
      const asked = pending.get(frame.id as number);
      if (asked === undefined) return;
      pending.delete(frame.id as number);
      if (isUnsure(frame)) recorder.unanswered += 1;
      else if (frame.op !== 'outcome') recorder.refusal(name, asked.write, String(frame.code));
      else if (recorder.outcome(name, asked.write, asked.sentAt, asked.after, frame as unknown as Outcome))
        target.countAcks(1);
      if (pending.size === 0) drained();
    };
    const socket = await WebSocketClient.open(target.url, '/v1/watch', onFrame, { keepsFrames: false });
    try {
      while (!target.isStopping) {
        await target.up();
        const answered = new Promise<void>((done) => {
          drained = done;
        });
        for (const write of maker.many()) {
          lastId += 1;
          pending.set(lastId, { write, sentAt: recorder.tick(), after: recorder.lastAcked });
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

/** Writers by every route, in closed loops with short rests, each value unlike any other; and a reader beside them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ERRORS, type ErrorCode, LatchkeyError, type Outcome } from '@latchkey/client';
import { WebSocket } from 'ws';
import type { Clock } from '../shared/clock.ts';
import type { Deployment } from './deployment.ts';
import type { Random } from './random.ts';
import { parseSent, type WireChange } from './sight.ts';
import type { Window, Write } from './window.ts';

export interface WriterOptions {
  readonly name: string;
  readonly deployment: Deployment;
  readonly window: Window;
  readonly random: Random;
  readonly clock: Clock;
}

export type Writer = (options: WriterOptions) => Promise<void>;

const REST_MAX_MS = 20;
const BATCH_MAX = 16;

const pathOf = (key: string) => `v1/keys/${encodeURIComponent(key)}`;

class WriteMaker {
  readonly #options: WriterOptions;
  #count = 0;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  next(): Write {
    const { clock, name, random, window } = this.#options;
    const key = random.pick(window.keys);
    if (random.chance(0.12)) return { op: 'remove', key };
    this.#count += 1;
    const value = { by: name, n: this.#count, pad: '.'.repeat(random.between(0, 200)) };
    window.sentAtMs.set(JSON.stringify(value), clock.monotonicMs());
    return { op: 'put', key, value };
  }

  many(): readonly Write[] {
    return Array.from({ length: this.#options.random.between(1, BATCH_MAX) }, () => this.next());
  }
}

async function loop({ deployment, random, window }: WriterOptions, turn: () => Promise<void>): Promise<void> {
  while (!window.isClosing) {
    try {
      await turn();
      await sleep(random.between(0, REST_MAX_MS));
    } catch (error) {
      window.unanswered += 1;
      await deployment.failed(error);
    }
  }
}

/** `PUT` and `DELETE /v1/keys/{key}`, one at a time. */
const writeByKey: Writer = (options) => {
  const { deployment, name, window } = options;
  const maker = new WriteMaker(options);
  return loop(options, async () => {
    const write = maker.next();
    const sentAt = window.tick();
    const put = write.op === 'put' ? { body: JSON.stringify(write.value), type: 'application/json' } : {};
    const method = write.op === 'put' ? 'PUT' : 'DELETE';
    const { status, text } = await deployment.ask(pathOf(write.key), { method, ...put });
    if (status === 200) window.outcome(name, write, sentAt, parseSent<Outcome>(text));
  });
};

/** `POST /v1/commands` as NDJSON. */
const writeInBatches: Writer = (options) => {
  const { deployment, name, window } = options;
  const maker = new WriteMaker(options);
  return loop(options, async () => {
    const writes = maker.many();
    const sentAt = window.tick();
    const body = `${writes.map((write) => JSON.stringify(write)).join('\n')}\n`;
    const { text } = await deployment.ask('v1/commands', { method: 'POST', body, type: 'application/x-ndjson' });
    const outcomes = text.trimEnd().split('\n');
    for (const [index, write] of writes.entries()) {
      window.outcome(name, write, sentAt, parseSent<Outcome>(outcomes[index] ?? ''));
    }
  });
};

interface Asked {
  readonly write: Write;
  readonly sentAt: number;
}

/** Sends commands and resolves when each has its outcome. */
function askBySocket(socket: WebSocket, options: WriterOptions, writes: readonly Write[]): Promise<void> {
  const { deployment, name, window } = options;
  const pending = new Map<number, Asked>();
  return new Promise((resolve, reject) => {
    // It may have closed during the rest before.
    if (socket.readyState !== WebSocket.OPEN) return reject(deployment.ended('a WebSocket'));
    const settle = (error?: unknown) => {
      socket.off('message', onMessage).off('close', onClose);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onClose = () => settle(deployment.ended('a WebSocket'));
    const onMessage = (data: unknown) => {
      const frame = parseSent<{ op?: string; id?: number; code?: string; message?: string }>(String(data));
      const asked = pending.get(frame.id ?? 0);
      if (asked === undefined) return;
      pending.delete(frame.id as number);
      if (frame.op === 'error') {
        const code = Object.hasOwn(ERRORS, frame.code ?? '') ? (frame.code as ErrorCode) : 'invalid-request';
        return settle(new LatchkeyError(code, String(frame.message)));
      }
      window.outcome(name, asked.write, asked.sentAt, frame as unknown as Outcome);
      if (pending.size === 0) settle();
    };
    socket.on('message', onMessage).on('close', onClose);
    for (const [index, write] of writes.entries()) {
      pending.set(index + 1, { write, sentAt: window.tick() });
      socket.send(JSON.stringify({ ...write, id: index + 1 }));
    }
  });
}

/** Command frames of a WebSocket, pipelined. */
const writeBySocket: Writer = async (options) => {
  const { deployment, random, window } = options;
  const maker = new WriteMaker(options);
  await loop(options, async () => {
    const socket = deployment.socket();
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('open', resolve);
        socket.on('error', (error) => reject(deployment.socketError(error)));
      });
      while (!window.isClosing) {
        await askBySocket(socket, options, maker.many());
        await sleep(random.between(0, REST_MAX_MS));
      }
    } finally {
      socket.terminate();
    }
  });
};

export const ROUTES = { put: writeByKey, commands: writeInBatches, websocket: writeBySocket } as const satisfies Record<
  string,
  Writer
>;

/** Plain reads beside the writers: what one of them was shown must stay. */
export const readKeys: Writer = (options) => {
  const { deployment, random, window } = options;
  return loop(options, async () => {
    const { status, text } = await deployment.ask(`${pathOf(random.pick(window.keys))}?meta=true`);
    if (status === 200) window.read(parseSent<WireChange>(text));
  });
};

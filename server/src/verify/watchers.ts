/** Watchers by both transports, which come back with the last position they were given, as often as they are cut. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ERRORS, type ErrorCode, type Filter, LatchkeyError, SseParser } from '@latchkey/client';
import type { Deployment } from './deployment.ts';
import { parseSent, type WireChange } from './sight.ts';
import type { WatchRecord } from './watch-record.ts';

type Data = Readonly<Record<string, string | undefined>>;
type Frame = Readonly<Record<string, unknown>>;

/** One connection, from its opening to its end; `leave` ends it from outside. @throws LatchkeyError where it was not cut here */
export type Transport = (record: WatchRecord, deployment: Deployment, leave: AbortSignal) => Promise<void>;

/** Watches until `leave` aborts. @throws LatchkeyError for what coming back cannot mend */
export async function watch(
  transport: Transport,
  record: WatchRecord,
  deployment: Deployment,
  leave: AbortSignal,
): Promise<void> {
  while (!leave.aborted) {
    record.connecting();
    try {
      await transport(record, deployment, leave);
    } catch (error) {
      if (leave.aborted) return;
      await deployment.failed(error);
    }
  }
}

function queryOf({ keys = [], patterns = [], prefixes = [] }: Filter, hasValues: boolean): URLSearchParams {
  const query = new URLSearchParams();
  for (const key of keys) query.append('key', key);
  for (const prefix of prefixes) query.append('prefix', prefix);
  for (const pattern of patterns) query.append('pattern', pattern);
  if (!hasValues) query.set('values', 'false');
  return query;
}

/** Server-sent events, resumed by `Last-Event-ID`. */
export const watchBySse: Transport = async (record, deployment, leave) => {
  const cut = new AbortController();
  const end = () => cut.abort();
  leave.addEventListener('abort', end, { once: true });
  try {
    const response = await deployment.stream(queryOf(record.filter, record.hasValues), record.position, cut.signal);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const parser = new SseParser();
    for (;;) {
      const { done, value } = await reader.read().catch(() => ({ done: true, value: undefined }));
      if (done || value === undefined) throw deployment.ended('an event stream');
      for (const { data, id, type } of parser.push(value)) {
        if (type === 'message') record.change(parseSent<WireChange>(data), id);
        // Its id is the place in front of the range: whoever is cut off here must be told of it again.
        else record.control(type, { ...parseSent<Data>(data), ...(type === 'conflated' ? { position: id } : {}) });
        // What arrived behind the cut was not taken in: the next connection asks for it again.
        if (record.wantsCut()) return;
      }
      const restMs = record.restMs();
      if (restMs > 0) await sleep(restMs);
    }
  } catch (cause) {
    if (cut.signal.aborted) return;
    throw cause;
  } finally {
    leave.removeEventListener('abort', end);
    end();
  }
};

/** Frames of one watch among a connection's: its own, and those of the group it is attached to. */
class FrameReader {
  readonly #record: WatchRecord;
  #attachedTo: unknown;

  constructor(record: WatchRecord) {
    this.#record = record;
  }

  /** @throws LatchkeyError for an `error` frame */
  take(frame: Frame): void {
    const isOwn = frame.id === 1 || (frame.id === undefined && this.#attachedTo !== undefined);
    if (!isOwn || (frame.id === undefined && frame.ref !== this.#attachedTo)) return;
    if (frame.op === 'error') throw refusalOf(frame);
    if (frame.op === 'synced') this.#attachedTo = frame.ref;
    if (frame.op === 'behind') this.#attachedTo = undefined;
    if (Array.isArray(frame.changes)) {
      for (const change of frame.changes as WireChange[]) this.#record.change(change, undefined);
      this.#record.reach(String(frame.position));
    } else this.#record.control(String(frame.op), frame as Data);
  }
}

function refusalOf(frame: Frame): LatchkeyError {
  const code = typeof frame.code === 'string' && Object.hasOwn(ERRORS, frame.code) ? frame.code : 'invalid-request';
  return new LatchkeyError(code as ErrorCode, `A watch was refused: ${String(frame.message)}`);
}

/** A WebSocket watch, resumed by the position of the last frame. */
export const watchBySocket: Transport = (record, deployment, leave) => {
  const socket = deployment.socket();
  const reader = new FrameReader(record);
  return new Promise<void>((resolve, reject) => {
    let isOver = false;
    const settle = (error?: unknown) => {
      if (isOver) return;
      isOver = true;
      leave.removeEventListener('abort', end);
      socket.terminate();
      if (error === undefined) resolve();
      else reject(error);
    };
    const end = () => settle();
    leave.addEventListener('abort', end, { once: true });
    socket.on('open', () => {
      const values = record.hasValues ? {} : { values: false };
      const from = record.position ?? 'start';
      socket.send(JSON.stringify({ op: 'watch', id: 1, filter: record.filter, from, ...values }));
    });
    socket.on('message', (data) => {
      // What arrived behind the cut was not taken in: the next connection asks for it again.
      if (isOver) return;
      try {
        reader.take(parseSent<Frame>(String(data)));
      } catch (error) {
        return settle(error);
      }
      if (record.wantsCut()) return settle();
      const restMs = record.restMs();
      if (restMs === 0 || socket.isPaused) return;
      socket.pause();
      setTimeout(() => {
        if (!isOver) socket.resume();
      }, restMs);
    });
    socket.on('error', (cause) => settle(deployment.socketError(cause)));
    socket.on('close', () => settle(deployment.ended('a WebSocket')));
    if (leave.aborted) end();
  });
};

/**
 * Watchers that always come back with the last position they were given. Each records everything it is told; some cut their own
 * connection, some stop reading for a while.
 */
import type { Filter } from '@latchkey/client';
import type { WireChange } from '../../server/src/verify/sight.ts';
import { SseClient, type SseEvent } from '../support/sse-client.ts';
import { type Frame, WebSocketClient } from '../support/websocket-client.ts';
import { count } from './recorder.ts';
import { type WatcherOptions, WatchRecord } from './watch-record.ts';

/** Well over the server's heartbeat: a connection so silent is dead, whatever TCP says. */
const SILENCE_MS = 3000;

export interface Watcher {
  readonly name: string;
  /** Resolves when a put of an `.end` key with that value (as JSON text) was delivered. */
  seek(content: string): Promise<void>;
  /** What it was told last, for the failure message. */
  last(): string;
  end(): Promise<void>;
}

function watcher(
  options: WatcherOptions,
  connect: (record: WatchRecord) => Promise<{ close(): void; gone: Promise<unknown> }>,
): Watcher {
  const record = new WatchRecord(options);
  let close = () => {};
  const running = (async () => {
    while (!record.isEnded) {
      await options.target.up();
      let silence: NodeJS.Timeout | undefined;
      try {
        record.connected();
        const connection = await connect(record);
        close = () => connection.close();
        if (record.isEnded) close();
        silence = setInterval(() => {
          if (!record.isPaused && performance.now() - record.heardAtMs > SILENCE_MS) connection.close();
        }, SILENCE_MS / 4);
        await connection.gone;
      } catch {
        await new Promise((done) => setImmediate(done)); // The server went while the connection was made.
      } finally {
        clearInterval(silence);
        record.isPaused = false;
      }
    }
  })();
  return {
    name: options.name,
    seek: (content) => record.seek(content),
    last: () => JSON.stringify(record.last),
    async end() {
      record.isEnded = true;
      close();
      await running;
    },
  };
}

function queryOf({ keys = [], patterns = [], prefixes = [] }: Filter): string {
  const query = new URLSearchParams();
  for (const key of keys) query.append('key', key);
  for (const prefix of prefixes) query.append('prefix', prefix);
  for (const pattern of patterns) query.append('pattern', pattern);
  return query.toString();
}

/** Server-sent events, resumed by `Last-Event-ID`. */
export function watchBySse(options: WatcherOptions): Watcher {
  const { cutChance = 0, pauseChance = 0, recorder, target } = options;
  return watcher(options, async (record) => {
    const onEvent = ({ data, event, id }: SseEvent) => {
      // What arrives after the cut was not taken in: the next connection asks for it again.
      if (isCut) return;
      if (event === 'message') record.change(JSON.parse(data) as WireChange, id);
      else record.control(event, JSON.parse(data) as Record<string, string>);
      if (event !== 'message' || target.isStopping) return;
      if (record.random.chance(cutChance)) {
        isCut = true;
        count(recorder.harms, 'cut');
        client?.close();
      } else if (!record.isPaused && record.random.chance(pauseChance)) {
        record.isPaused = true;
        count(recorder.harms, 'pause');
        client?.pause();
        void target.moreAcks(record.random.between(20, 400)).then(() => {
          record.isPaused = false;
          record.heardAtMs = performance.now();
          client?.resume();
        });
      }
    };
    let isCut = false;
    let client: SseClient | undefined;
    const resume = record.position === undefined ? {} : { lastEventId: record.position };
    client = await SseClient.open(`${target.url}/v1/watch?${queryOf(record.filter)}`, resume, onEvent, {
      keepsEvents: false,
    });
    if (client.status !== 200) throw new Error(`watch was answered ${client.status}`);
    if (isCut) client.close();
    return { close: () => client?.close(), gone: client.ended() };
  });
}

/** A WebSocket watch, resumed by the position of the last frame. */
export function watchBySocket(options: WatcherOptions): Watcher {
  const { cutChance = 0, recorder, target } = options;
  return watcher(options, async (record) => {
    let attachedTo: unknown;
    let isCut = false;
    let socket: WebSocketClient | undefined;
    const onFrame = (frame: Frame) => {
      if (isCut) return;
      const isOwn = frame.id === 1 || (frame.id === undefined && attachedTo !== undefined && frame.ref === attachedTo);
      if (!isOwn) return;
      if (frame.op === 'synced') attachedTo = frame.ref;
      if (frame.op === 'behind') attachedTo = undefined;
      if (Array.isArray(frame.changes)) {
        for (const change of frame.changes as WireChange[]) record.change(change, undefined);
        record.reach(frame.position as string);
      } else record.control(String(frame.op), frame as Readonly<Record<string, string>>);
      if (target.isStopping || !record.random.chance(cutChance)) return;
      isCut = true;
      count(recorder.harms, 'cut');
      socket?.close();
    };
    socket = await WebSocketClient.open(target.url, '/v1/watch', onFrame, { keepsFrames: false });
    socket.send({ op: 'watch', id: 1, filter: record.filter, from: record.position ?? 'start' });
    return { close: () => socket?.close(), gone: socket.untilClosed() };
  });
}

/**
 * Watchers that always come back with the last position they were given. Each records everything it is told; some cut their own
 * connection, some stop reading for a while.
 */
import { type Filter, parsePosition } from '@latchkey/client';
import type { Observation } from '../../server/src/verify/history.ts';
import { SseClient, type SseEvent } from '../support/sse-client.ts';
import { type Frame, WebSocketClient } from '../support/websocket-client.ts';
import type { Random } from './random.ts';
import { type Recorder, sightOf, type WireChange } from './recorder.ts';
import type { Target } from './target.ts';

export interface WatcherOptions {
  readonly name: string;
  readonly filter: Filter;
  readonly matches: (key: string) => boolean;
  readonly target: Target;
  readonly recorder: Recorder;
  /** How often, per change, it cuts its own connection. */
  readonly cutChance?: number;
  /** How often, per change, it stops reading until some more writes were acknowledged. */
  readonly pauseChance?: number;
}

/** What is shared by both transports: the record, and the wait for the last write of a run. */
class WatchRecord {
  readonly observations: Observation[];
  readonly random: Random;
  position: string | undefined;
  isEnded = false;
  #sought: string | undefined;
  #found = Promise.withResolvers<void>();
  readonly #seen = new Set<string>();

  constructor({ matches, name, recorder, target }: WatcherOptions) {
    this.observations = recorder.watch(name, matches);
    this.random = target.random.fork();
  }

  connected(): void {
    this.observations.push({
      kind: 'connected',
      from: this.position === undefined ? undefined : parsePosition(this.position),
    });
  }

  change(change: WireChange, position: string | undefined): void {
    const sight = sightOf(change);
    this.observations.push({
      kind: 'change',
      sight,
      position: position === undefined ? undefined : parsePosition(position),
    });
    if (position !== undefined) this.position = position;
    if (sight.content !== undefined && sight.key.endsWith('.end')) this.#seen.add(sight.content);
    this.#settle();
  }

  /** A position without any news, such as the end of a WebSocket frame. */
  reach(position: string): void {
    this.observations.push({ kind: 'progress', position: parsePosition(position) });
    this.position = position;
  }

  control(kind: string, data: Readonly<Record<string, string>>): void {
    if (kind === 'bye') this.observations.push({ kind });
    else if (kind === 'conflated') {
      this.observations.push({ kind, from: parsePosition(data.from as string), to: parsePosition(data.to as string) });
    } else if (kind === 'opened' || kind === 'reset') {
      const snapshotTo = data.snapshotTo === undefined ? undefined : parsePosition(data.snapshotTo);
      this.observations.push({ kind, position: parsePosition(data.position as string), snapshotTo });
    } else if (kind === 'synced' || kind === 'progress') {
      this.observations.push({ kind, position: parsePosition(data.position as string) });
    }
    if (data.position !== undefined) this.position = data.position;
  }

  /** Resolves when a put of an `.end` key with that value was delivered. */
  seek(content: string): Promise<void> {
    this.#sought = content;
    this.#settle();
    return this.#found.promise;
  }

  #settle(): void {
    if (this.#sought !== undefined && this.#seen.has(this.#sought)) this.#found.resolve();
  }
}

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
      try {
        record.connected();
        const connection = await connect(record);
        close = () => connection.close();
        if (record.isEnded) close();
        await connection.gone;
      } catch {
        await new Promise((done) => setImmediate(done)); // The server went while the connection was made.
      }
    }
  })();
  return {
    name: options.name,
    seek: (content) => record.seek(content),
    last: () => JSON.stringify(record.observations.slice(-4)),
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
  const { cutChance = 0, filter, pauseChance = 0, target } = options;
  return watcher(options, async (record) => {
    let isPaused = false;
    const onEvent = ({ data, event, id }: SseEvent) => {
      // What arrives after the cut was not taken in: the next connection asks for it again.
      if (isCut) return;
      if (event === 'message') record.change(JSON.parse(data) as WireChange, id);
      else record.control(event, JSON.parse(data) as Record<string, string>);
      if (event !== 'message' || target.isStopping) return;
      if (record.random.chance(cutChance)) {
        isCut = true;
        client?.close();
      } else if (!isPaused && record.random.chance(pauseChance)) {
        isPaused = true;
        client?.pause();
        void target.moreAcks(record.random.between(20, 400)).then(() => {
          isPaused = false;
          client?.resume();
        });
      }
    };
    let isCut = false;
    let client: SseClient | undefined;
    const resume = record.position === undefined ? {} : { lastEventId: record.position };
    client = await SseClient.open(`${target.url}/v1/watch?${queryOf(filter)}`, resume, onEvent, { keepsEvents: false });
    if (client.status !== 200) throw new Error(`watch was answered ${client.status}`);
    if (isCut) client.close();
    return { close: () => client?.close(), gone: client.ended() };
  });
}

/** A WebSocket watch, resumed by the position of the last frame. */
export function watchBySocket(options: WatcherOptions): Watcher {
  const { cutChance = 0, filter, target } = options;
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
      socket?.close();
    };
    socket = await WebSocketClient.open(target.url, '/v1/watch', onFrame, { keepsFrames: false });
    socket.send({ op: 'watch', id: 1, filter, from: record.position ?? 'start' });
    return { close: () => socket?.close(), gone: socket.untilClosed() };
  });
}

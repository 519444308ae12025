import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Registry } from 'prom-client';
import type { Command, Outcome, ReadCommand, Refusal } from '../commands/command.ts';
import type { Settings } from '../config/settings.ts';
import type { Feed } from '../feed/feed.ts';
import type { Format, Message } from '../formats/format.ts';
import type { Log } from '../log/log.ts';
import type { Access, Principal } from '../shared/access.ts';
import type { Payload } from '../shared/change.ts';
import type { Clock } from '../shared/clock.ts';
import type { Logger, ReportFault } from '../shared/logger.ts';
import type { Sink } from '../sinks/sink.ts';
import type { Source } from '../sources/source.ts';

/** What every gateway is built on. A gateway holds no state of the data: it asks the log and its view, and hands watchers to the feed. */
export interface Core {
  readonly settings: Settings;
  readonly log: Log;
  readonly feed: Feed;
  readonly access: Access;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly reportFault: ReportFault;
  readonly metrics: Registry;
  /** Version of this program, e.g. `0.1.0`. */
  readonly programVersion: string;
  readonly formats: GatewayFormats;
  readonly replayer: Replayer;
  readonly sources: readonly Source[];
  /** Those of this process; with workers they are in the one that owns the log. */
  readonly sinks: readonly Sink[];
  /** Where several processes serve together; undefined where this one is alone. */
  readonly workers?: Workers | undefined;
}

/** What one of several processes tells of itself. */
export interface ProcessReport {
  readonly connections: number;
  readonly feed: ReturnType<Feed['counts']>;
  /** As prom-client writes a registry in JSON. */
  readonly metrics: unknown;
}

export interface WorkerReport {
  /** From 1; a worker that takes the place of another takes its number. */
  readonly number: number;
  /** 0 while there is none. */
  readonly pid: number;
  /** How often the place was filled anew. */
  readonly restarts: number;
  /** Absent where the worker did not tell in time. */
  readonly report?: ProcessReport;
}

/** A source or a sink as `/v1/status` shows it. */
export interface FlowReport {
  readonly name: string;
  readonly kind: string;
  readonly ready: boolean;
  /** Why not. */
  readonly reason?: string;
  /** What else its state tells. */
  readonly [more: string]: unknown;
}

export interface FlowReports {
  readonly sources: readonly FlowReport[];
  readonly sinks: readonly FlowReport[];
}

/** The processes that serve together, as any of them sees the whole. */
export interface Workers {
  /**
   * Asks all of them, this one included, and waits a bounded time; `metrics` and `flows` are of the process that owns the log.
   * @throws LatchkeyError `not-ready` where that process does not answer
   */
  reports(): Promise<{
    readonly workers: readonly WorkerReport[];
    readonly metrics: unknown;
    readonly flows: FlowReports;
  }>;
}

/** The formats that gateways read bodies with. They are adapters of another stage, so `main.ts` hands them in. */
export interface GatewayFormats {
  readonly command: CommandFormat;
  readonly cacheEvent: EventFormat;
  /** `{"Key":…,"Value":…}` becomes one `put` of text. */
  readonly kvStore: KvStoreFormat;
}

/** What a body of commands held. The answer takes the same form: an array, one object, or one line per command. */
export interface DecodedCommands {
  readonly form: 'array' | 'object' | 'ndjson';
  readonly commands: readonly (Command | Refusal)[];
}

/** WIRE's commands, as `POST /v1/commands` and WebSocket frames carry them. */
export interface CommandFormat extends Format {
  /** A refusal of the whole where nothing of the body has a place. */
  decodeBody(body: Buffer, contentType?: string): DecodedCommands | Refusal;
  /** One command from its JSON text or parsed object; `ignored` names the protocol's own fields around it, such as `id`. */
  decodeFrame(frame: string | object, ignored?: readonly string[]): Command | Refusal;
}

/** One event of a message: what it wants, and how its sender is told, as JSON text, once the log has answered. */
export interface DecodedEvent {
  readonly commands: readonly (Command | Refusal)[];
  /** `outcomes` are those of `commands`, in order; `position` is where they can be read. */
  answer(outcomes: readonly Outcome[], position: string): string;
}

/** What a message of events held: one, or an array of them. The answer takes the same form. */
export interface DecodedEvents {
  readonly form: 'array' | 'object';
  readonly events: readonly DecodedEvent[];
}

/** A format whose message holds events, each of which is answered by itself. */
export interface EventFormat extends Format {
  /** An event that can't be read is one whose only command is a refusal; a refusal of the whole where not even the events can be told apart. */
  decodeEvents(message: Message): DecodedEvents | Refusal;
}

/** The kv-store dialect. `decode` reads the body of `/set` into one put; `decodeGet` that of `/get`. */
export interface KvStoreFormat extends Format {
  decodeGet(body: Buffer): ReadCommand | Refusal;
  /** What the dialect shows of a value: text as it is, JSON as its JSON text, bytes as base64. */
  shownValue(payload: Payload): string;
}

/** How dead letters are decoded again: by the format of their source as it is configured now. */
export interface Replayer {
  /** Undefined where no source of that name is configured any more. */
  formatOf(source: string): Format | undefined;
}

/** A protocol towards clients. `register` adds its routes to the one HTTP listener, which has checked Host and Origin before. */
export interface Gateway {
  readonly name: string;
  register(http: FastifyInstance, core: Core): void | Promise<void>;
}

/** Who sent this request: `anonymous` until users exist. */
export type PrincipalOf = (request: FastifyRequest) => Principal;

/** Takes over a WebSocket handshake whose Host, Origin and path were checked. `head` is what was read beyond the request. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/**
 * Answers a GET of nothing unusual: no query, no escapes, nothing in its headers that asks for more than the last value. `path` is
 * what stands behind the prefix. The status of what it wrote; undefined: it wrote nothing, and the route answers.
 */
export type PlainGet = (path: string, ifNoneMatch: string | undefined, response: ServerResponse) => number | undefined;

declare module 'fastify' {
  interface FastifyInstance {
    /** Has plain GETs below `prefix` answered before fastify sees them, as `route` would answer them byte for byte. */
    onPlainGet(prefix: string, route: string, handler: PlainGet): void;
    /** Hands WebSocket handshakes for exactly this path (without query) to a gateway; other paths are answered `404`. */
    onUpgrade(path: string, handler: UpgradeHandler): void;
  }
}

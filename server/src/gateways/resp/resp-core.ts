import type { Registry } from 'prom-client';
import type { Settings } from '../../config/settings.ts';
import type { Log } from '../../log/log.ts';
import type { Access } from '../../shared/access.ts';
import type { Channels } from '../../shared/channels.ts';
import type { Clock } from '../../shared/clock.ts';
import type { Logger, ReportFault } from '../../shared/logger.ts';
import type { Client } from './client.ts';
import type { IndexSets } from './index-sets.ts';
import type { ScanCursors } from './scan-cursors.ts';
import type { ValueReplies } from './value-replies.ts';

/** What the gateway is built on: less than the HTTP gateways are, so that it can stand in the process that owns the log. */
export interface RespParts {
  readonly settings: Settings;
  readonly log: Log;
  readonly access: Access;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly reportFault: ReportFault;
  readonly metrics: Registry;
  readonly channels: Channels;
  /** Version of this program, e.g. `0.1.0`. */
  readonly programVersion: string;
}

/** The same with what all connections share. */
export interface RespCore extends RespParts {
  readonly values: ValueReplies;
  readonly indexSets: IndexSets;
  readonly cursors: ScanCursors;
  readonly stats: RespStats;
  /** Connected, by their id. */
  readonly clients: ReadonlyMap<number, Client>;
  /** Of the Redis whose commands are spoken here. */
  readonly redisVersion: string;
  readonly startedAtMs: number;
  /** Where it listens. */
  address(): { readonly host: string; readonly port: number };
}

export interface RespStats {
  connections: number;
  commands: number;
  errors: number;
  refused: number;
  slowSubscribers: number;
}

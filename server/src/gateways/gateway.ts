import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Registry } from 'prom-client';
import type { Settings } from '../config/settings.ts';
import type { Feed } from '../feed/feed.ts';
import type { Log } from '../log/log.ts';
import type { Access, Principal } from '../shared/access.ts';
import type { Clock } from '../shared/clock.ts';
import type { Logger, ReportFault } from '../shared/logger.ts';

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
}

/** A protocol towards clients. `register` adds its routes to the one HTTP listener, which has checked Host and Origin before. */
export interface Gateway {
  readonly name: string;
  register(http: FastifyInstance, core: Core): void | Promise<void>;
}

/** Who sent this request: `anonymous` until users exist. */
export type PrincipalOf = (request: FastifyRequest) => Principal;

import type { LogState } from '../log/log.ts';

/**
 * Brings messages in: receives, decodes by its format, submits to the log, and acknowledges to the sender only after the log
 * answered. Infrastructure faults make it wait with jittered backoff and say so in `state`; a message that can't be decoded
 * becomes a dead letter where its sender gets no outcome.
 */
export interface Source {
  readonly name: string;
  readonly kind: 'http-events' | 'redis-pubsub' | 'redis-stream' | 'redis-keyspace' | 'kafka' | 'file';
  start(): Promise<void>;
  state(): LogState;
  close(): Promise<void>;
}

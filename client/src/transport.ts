import type { Backoff } from './backoff.ts';
import type { Endpoint } from './exchange.ts';
import type { Filter } from './filter.ts';
import type { WakeSource } from './wake.ts';
import type { WatchEvent } from './watch-event.ts';

export type TransportName = 'websocket' | 'sse';

export interface TransportRequest {
  readonly filter: Filter;
  /** `start`, `now` or a position. */
  readonly from: string;
  readonly values: boolean;
}

/** What transports need of the connection that they serve. */
export interface TransportSetup {
  readonly endpoint: Endpoint;
  readonly silenceMaxMs: number;
  readonly wake: WakeSource;
  readonly backoff: Backoff;
}

/** One way of carrying a watch. A cut on one is resumed on any other: positions are the log's, not the transport's. */
export interface Transport {
  readonly name: TransportName;
  /**
   * What one connection delivers, in order, each piece with at least one event. It ends where the server ended the watch, or where
   * the signal aborted. It MUST NOT keep more than a bounded part that was not asked for, however slowly it is asked.
   * @throws LatchkeyError retryable where the connection could not be made or broke; else a refusal, or an answer that is none
   */
  open(request: TransportRequest, signal: AbortSignal): AsyncGenerator<readonly WatchEvent[], void, undefined>;
}

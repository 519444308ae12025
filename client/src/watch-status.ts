import type { LatchkeyError } from './error.ts';
import type { TransportName } from './transport.ts';

/** Where a watch stands; it changes with what its reader is handed, so a reader that stopped reading sees no newer one. */
export type WatchStatus =
  /** Nobody asked for an event yet. */
  | { readonly kind: 'idle' }
  | { readonly kind: 'connecting'; readonly transport: TransportName }
  /** Connected; what is held may be behind the server: a snapshot, or what was missed, is on its way. */
  | { readonly kind: 'catching-up'; readonly transport: TransportName }
  /** Everything that was there has come; what comes now is new. */
  | { readonly kind: 'live'; readonly transport: TransportName }
  /** The connection could not be made or was lost; the next try comes in `afterMs`, or sooner when the network comes back. */
  | { readonly kind: 'waiting'; readonly error: LatchkeyError; readonly afterMs: number }
  /** For good. With `error`: the server refused the watch. */
  | { readonly kind: 'closed'; readonly error?: LatchkeyError };

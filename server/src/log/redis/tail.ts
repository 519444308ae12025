import type { LogRecord, RedisStore } from './redis-store.ts';
import type { Replica } from './replica.ts';
import { waited } from './wait.ts';

const WAIT_MS = 1000;
const READ_BYTES = 1024 * 1024;
const RETRY_MS = 100;

export interface TailOptions {
  readonly store: RedisStore;
  readonly replica: Replica;
  readonly signal: AbortSignal;
  /** Resolves when this node knows where the log is and appends nothing: while it does, it is told of others by its appends. */
  readonly quiet: () => Promise<void>;
  readonly onRecords: (records: readonly LogRecord[]) => Promise<void>;
  /** What is known does not go on in the stream, or the connection broke. */
  readonly onAstray: () => void;
}

/** Reads what other nodes append, on a connection of its own, until it is stopped. */
export async function followOthers(options: TailOptions): Promise<void> {
  const { onAstray, onRecords, quiet, replica, signal, store } = options;
  const known = () => replica.head;
  while (!signal.aborted) {
    await quiet();
    if (signal.aborted) return;
    try {
      const records = await store.tail(replica.head, { waitMs: WAIT_MS, bytesMax: READ_BYTES, signal, known });
      if (records === 'behind') onAstray();
      else if (records.length > 0) await onRecords(records);
    } catch {
      // Why it failed is found out, and told, when this node looks where the log is.
      if (signal.aborted) return;
      onAstray();
      await waited(RETRY_MS, signal);
    }
  }
}

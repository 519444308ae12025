import type { Position } from '@latchkey/client';
import type { Batch, LogState, Settled } from './log.ts';

/** What the process that owns the log does for this one. Calls are carried out in their order; each rejects as the log's own would. */
export interface LogOwner {
  /** `step` is the owner's newest when the batch was settled. */
  submit(batch: Batch): Promise<{ readonly settled: Settled; readonly step: number }>;
  /** The fence of the lease; undefined while another holder's has not run out. */
  acquireLease(name: string, holder: string, ttlMs: number): Promise<number | undefined>;
  releaseLease(name: string, holder: string): Promise<void>;
  backup(path: string): Promise<{ readonly bytes: number; readonly position: Position }>;
  /** As the owner last told it. */
  state(): LogState;
}

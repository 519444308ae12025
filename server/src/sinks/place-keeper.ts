import { randomBytes } from 'node:crypto';
import { LatchkeyError, type Position, parsePosition } from '@latchkey/client';
import type { Lease } from '../log/lease.ts';
import type { Log } from '../log/log.ts';
import type { Principal } from '../shared/access.ts';

const POSITION = '0';
const LINEAGE = 'lineage';

/**
 * Where a sink got to, kept in the log under its lease: whoever has lost the lease moves nothing. `expected` makes a repeat after a
 * lost answer harmless.
 */
export class PlaceKeeper {
  readonly #log: Log;
  readonly #lease: Lease;
  readonly #source: string;
  readonly #principal: Principal;
  #kept: Readonly<Record<string, string>> = {};

  constructor(log: Log, lease: Lease, principal: Principal) {
    this.#log = log;
    this.#lease = lease;
    this.#source = lease.name;
    this.#principal = principal;
  }

  async read(): Promise<void> {
    this.#kept = await this.#log.progress(this.#source);
  }

  /**
   * Waits until this node's view shows what the last holder read: it may have been ahead.
   * @throws LatchkeyError `conflict` once another node has the lease, `position-ahead`
   */
  async catchUp(timeoutMs: number): Promise<void> {
    const text = this.#kept[POSITION];
    if (text !== undefined) await this.#log.view.reach(await this.#move(POSITION, text), timeoutMs);
  }

  /** Undefined where it has never been anywhere. */
  get position(): Position | undefined {
    const text = this.#kept[POSITION];
    return text === undefined ? undefined : parsePosition(text, this.#source);
  }

  /** The run that this log's fence numbers are of. A log that was put back to an older copy needs a new one. */
  async lineage(isNewOneNeeded = false): Promise<string> {
    const known = this.#kept[LINEAGE];
    if (known !== undefined && !isNewOneNeeded) return known;
    const made = randomBytes(6).toString('hex');
    await this.#move(LINEAGE, made);
    return made;
  }

  /** @throws LatchkeyError `conflict` once another node has the lease */
  async keep(positionText: string): Promise<void> {
    await this.#move(POSITION, positionText);
  }

  async #move(sourcePartition: string, next: string): Promise<Position> {
    const expected = this.#kept[sourcePartition] ?? null;
    let reached = this.#log.view.position();
    try {
      const { position } = await this.#log.submit({
        commands: [],
        principal: this.#principal,
        progress: { source: this.#source, sourcePartition, expected, next },
        fence: { lease: this.#lease.name, number: this.#lease.fence },
      });
      reached = position;
    } catch (error) {
      const isThere =
        error instanceof LatchkeyError && error.code === 'progress-mismatch' && error.details.extra?.progress === next;
      if (!isThere) throw error;
    }
    this.#kept = { ...this.#kept, [sourcePartition]: next };
    return reached;
  }
}

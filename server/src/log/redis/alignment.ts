import { LatchkeyError } from '@latchkey/client';
import type { Clock } from '../../shared/clock.ts';
import { type Epoch, EpochTable, newEpochId } from '../../shared/epochs.ts';
import type { Logger } from '../../shared/logger.ts';
import type { WritableView } from '../../view/view.ts';
import { type Appending, newToken } from './appending.ts';
import type { Emptied } from './emptied.ts';
import { Rebuild } from './rebuild.ts';
import type { Head, LogRecord, RedisStore, ServerFacts } from './redis-store.ts';
import { Refill } from './refill.ts';
import { type Cursor, EMPTY_HEAD, isNameless, type Replica } from './replica.ts';
import type { ServerTime } from './server-time.ts';
import type { Unobserved } from './unobserved.ts';

const UP_MS = 1000;
const READ_BYTES = 1024 * 1024;
/** A log that runs on while it is read may be read on so often before it counts as followed. */
const ROUNDS_MAX = 1000;

export interface AlignmentOptions {
  readonly store: RedisStore;
  readonly view: WritableView;
  readonly replica: Replica;
  readonly time: ServerTime;
  readonly clock: Clock;
  readonly appending: Appending;
  readonly unobserved: Unobserved;
  readonly emptied: Emptied;
  readonly logger: Logger;
  /** @throws LatchkeyError `config-invalid` for a server that can't be used */
  readonly check: (facts: ServerFacts) => void;
}

/**
 * Brings this node to where the log is, whatever became of either since: reads on in the stream, or in the index where the stream
 * begins later, or begins with nothing where the log went on in another way. It stands between a connection that is new and deciding,
 * which needs to know the head.
 *
 * Invariant: when it is done the replica was at the head at some moment since it began, and that head is of the server's present run.
 */
export class Alignment {
  readonly #options: AlignmentOptions;
  readonly #refill: Refill;
  /** The log was put back from this offset on, since this node was last at its end. */
  #putBackFrom: number | undefined;

  constructor(options: AlignmentOptions) {
    this.#options = options;
    const { replica, store, unobserved, view } = options;
    this.#refill = new Refill({ store, replica, view, unobserved });
  }

  /** @throws LatchkeyError `not-ready`, `config-invalid`, `closing` */
  async run(): Promise<void> {
    const { check, emptied, replica, store, time, view } = this.#options;
    await store.up(UP_MS);
    const facts = await store.facts();
    check(facts);
    time.sync(facts.timeMicros);
    await replica.applied();
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      this.#putBackFrom = Rebuild.firstOf(view) ?? this.#putBackFrom;
      const head = await store.head();
      if (head.token === '') {
        await emptied.settle();
        continue;
      }
      emptied.settled();
      await this.#stand(head);
      if (!replica.isFilling && (await this.#readOn())) {
        if (head.runId !== facts.runId) await this.#beginEpoch();
        else if (!(await this.#putBackOn()) && !(await this.#letGo())) return;
      } else if (replica.isFilling) await this.#refill.run();
    }
    throw new LatchkeyError(
      'not-ready',
      'The log goes on faster than this node reads it; it is tried again by itself.',
      {
        retryAfter: 1,
      },
    );
  }

  /** Makes sure that what the replica holds is of this log, and its epochs are known. */
  async #stand(head: Head): Promise<void> {
    const { logger, replica, store, view } = this.#options;
    const epochs = (await store.epochs()).map(({ first, id }): Epoch => ({ id, first: [first] }));
    if (epochs.length === 0) return;
    const cursor = replica.head;
    if (isOf(cursor, head, epochs)) return replica.adopt(epochs);
    if (cursor.offset > 0 || !isNameless(view.epochs)) {
      const place = { known: `${cursor.epoch}.${cursor.offset}`, head: `${head.epoch}.${head.offset}` };
      logger.warn(place, 'the log went on without what this node knows of it; its view begins anew');
    }
    await replica.reset(epochs);
  }

  /** Whether the stream went on from where the replica is. */
  async #readOn(): Promise<boolean> {
    const { replica, store } = this.#options;
    for (;;) {
      const records = await store.tail(replica.head, { waitMs: 1, bytesMax: READ_BYTES });
      if (records !== 'behind' && records.length === 0) return true;
      if (records === 'behind' || (await replica.foreign(records)) === 'gap') {
        await this.#refill.run();
        return false;
      }
    }
  }

  /** Whether another node puts the log back, or did: it is waited for, and gone on for where it stopped. */
  async #putBackOn(): Promise<boolean> {
    const { emptied, view } = this.#options;
    if (Rebuild.firstOf(view) === undefined) return false;
    await emptied.goOn();
    return true;
  }

  /** Who put the log back may have known less than this node, which then has to begin anew. */
  async #letGo(): Promise<boolean> {
    const { logger, replica, view } = this.#options;
    const first = this.#putBackFrom;
    this.#putBackFrom = undefined;
    if (first === undefined || !Rebuild.isMore(view, first)) return false;
    logger.warn({ first }, 'the log was put back by a node that knew less of it than this one; its view begins anew');
    await replica.reset(view.epochs.list());
    return true;
  }

  /** The server is another run than the one that took the last append. */
  async #beginEpoch(): Promise<void> {
    const { appending, replica, time } = this.#options;
    const head = replica.head;
    const record = epochRecord(head, time);
    const answer = await appending.send({
      ...{ head, record, keys: [], fences: [], collected: [], epochs: [], wantsTurn: false },
      writer: appending.nextWriter(),
    });
    if (answer.kind === 'appended') await replica.foreign([record]);
    else if (answer.kind === 'untimely') time.sync(answer.serverMicros);
  }
}

/** An empty record that begins an epoch. */
export function epochRecord(head: Head, time: ServerTime, offset = head.offset + 1): LogRecord {
  return {
    first: offset,
    last: offset,
    token: newToken(),
    nowMicros: time.decidingMicros(head.nowMicros),
    epoch: newEpochId(),
    tombstoneFloor: undefined,
    changes: [],
    tables: [],
  };
}

/** Whether all that is known up to the cursor is still so, and nothing was collected that it would have to be told of. */
function isOf(cursor: Cursor, head: Head, epochs: readonly Epoch[]): boolean {
  if (cursor.offset === 0) return cursor.epoch === EMPTY_HEAD.epoch;
  if (cursor.offset > head.offset || cursor.offset < head.tombstoneFloor) return false;
  if (cursor.offset === head.offset && cursor.token !== '' && cursor.token !== head.token) return false;
  return new EpochTable(epochs).holds(cursor.epoch, 0, cursor.offset);
}

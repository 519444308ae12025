/**
 * One stream under a lease, on a connection of its own, so that a stream that can't be read holds up no other. It stands between the
 * source and the reader, which it begins anew after what the Redis refused; a connection that is gone ends it, for another node may have one.
 *
 * Invariant: at most one reader is at work.
 */
import { LatchkeyError, quote } from '@latchkey/client';
import type { RedisStreamSettings } from '../../config/flow-settings.ts';
import { Backoff } from '../../shared/backoff.ts';
import type { Logger } from '../../shared/logger.ts';
import { RedisConnection } from '../../shared/redis/connection.ts';
import { describePlace, replyCode } from '../../shared/redis/error.ts';
import { Wake } from '../../shared/wake.ts';
import { StreamCalls } from './stream-calls.ts';
import { StreamReader, type StreamReaderSetup } from './stream-reader.ts';

export interface StreamLaneSetup extends Omit<StreamReaderSetup, 'calls' | 'source' | 'field' | 'onOlder'> {
  readonly settings: RedisStreamSettings;
  readonly logger: Logger;
  readonly random: () => number;
  /** Everything that was pending is taken. */
  readonly onCaughtUp: () => void;
}

const UP_MS = 5000;

export class StreamLane {
  readonly #setup: StreamLaneSetup;
  readonly #connection: RedisConnection;
  readonly #wake = new Wake();
  readonly #backoff: Backoff;
  #reader: StreamReader | undefined;
  #isEnded = false;
  #hasToldOlder = false;
  #reason: string | undefined;

  constructor(setup: StreamLaneSetup) {
    const { random, settings } = setup;
    this.#setup = setup;
    this.#backoff = new Backoff(random);
    this.#reason = `what is pending of the stream ${quote(setup.stream)} is taken first`;
    this.#connection = new RedisConnection({
      place: settings,
      name: `latchkey-source-${settings.name}`,
      isBinary: true,
      random,
    });
  }

  /** Why it is not read, or not yet. */
  get reason(): string | undefined {
    return this.#connection.failure?.message ?? this.#reason;
  }

  get behind(): number {
    return this.#reader?.behind ?? 0;
  }

  get lagMs(): number {
    return this.#reader?.lagMs ?? 0;
  }

  /** Until `end`. @throws LatchkeyError `conflict` once another node has the lease, or why the connection is gone */
  async run(): Promise<void> {
    try {
      await this.#connection.up(UP_MS);
      while (!this.#isEnded) await this.#read();
    } catch (error) {
      // That the connection was closed under it is no news.
      if (!this.#isEnded) throw error;
    } finally {
      this.#connection.close();
    }
  }

  /** What is under way is finished; entries that it is given from now on stay pending. */
  end(): void {
    this.#isEnded = true;
    this.#reader?.end();
    if (this.#reader?.isBlocked === true) this.#connection.close();
    this.#wake.set();
  }

  /** What is under way is given up. */
  abort(): void {
    this.end();
    this.#connection.close();
  }

  async #read(): Promise<void> {
    const { onCaughtUp, settings, stream, ...rest } = this.#setup;
    const { field, group, name } = settings;
    const calls = new StreamCalls({ connection: this.#connection, stream, group, consumer: name });
    const onOlder = (lastId: string, progress: string) => this.#tellOlder(lastId, progress);
    this.#reader = new StreamReader({ ...rest, calls, stream, source: name, field, onOlder });
    try {
      await this.#reader.run(() => {
        this.#reason = undefined;
        this.#backoff.succeeded();
        onCaughtUp();
      });
    } catch (error) {
      if (error instanceof LatchkeyError || this.#isEnded) throw error;
      if (!RedisConnection.isAnswer(error)) {
        // Anything else is a bug, and is told as one.
        throw this.#connection.isUp ? error : this.#connection.translate(error, 'reading');
      }
      await this.#waitOver(error);
    }
  }

  /** What the Redis refused is a matter of this stream alone. */
  async #waitOver(error: unknown): Promise<void> {
    const { logger, settings, stream } = this.#setup;
    const code = replyCode(error);
    const told = this.#connection.translate(error, 'reading');
    if (code === 'READONLY') this.#connection.renew(told);
    const reason = code === 'WRONGTYPE' ? this.#wrongType() : `stream ${quote(stream)}: ${told.message}`;
    // A group that was deleted is made anew at once; it is told, as somebody did it.
    if (reason !== this.#reason)
      logger.warn({ source: settings.name, answered: code }, `source ${settings.name}: ${reason}`);
    this.#reason = reason;
    await this.#wake.wait(this.#backoff.failed());
  }

  #tellOlder(lastId: string, progress: string): void {
    if (this.#hasToldOlder) return;
    this.#hasToldOlder = true;
    const { logger, settings, stream } = this.#setup;
    logger.warn(
      { source: settings.name, lastId, progress },
      `source ${settings.name}: the stream ${quote(stream)} ends at ${lastId}, before ${progress} which was taken last: it was deleted or lost its newest entries. Entries that come are taken from ${progress} on; those at or below it are not, unless the source is given another name`,
    );
  }

  #wrongType(): string {
    const { settings, stream } = this.#setup;
    return `The key ${quote(stream)} on ${describePlace(settings)} holds something else than a stream. Rename or delete it, or name another in streams.`;
  }
}

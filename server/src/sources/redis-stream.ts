/**
 * Takes entries of Redis streams, as a consumer group, while it holds its lease. It stands between the lanes, one for each stream, and the
 * log; what was taken is kept there as progress, in the step of the changes, so that a crash repeats nothing and loses nothing.
 *
 * Invariant: lanes run only while the lease is held, and all of them have ended before it is given back.
 */
import { LatchkeyError } from '@latchkey/client';
import type { RedisStreamSettings } from '../config/flow-settings.ts';
import { type Holding, LeaseLoop } from '../log/lease-loop.ts';
import { Gaps } from './gaps.ts';
import { Intake } from './intake.ts';
import { StreamLane } from './redis-stream/stream-lane.ts';
import type { MessageSourceParts, Source, SourceState } from './source.ts';

/** Of stopping: what is under way then gets this long. */
const CLOSE_MS = 1000;

export class RedisStream implements Source {
  readonly name: string;
  readonly kind = 'redis-stream';
  readonly #parts: MessageSourceParts<RedisStreamSettings>;
  readonly #gaps: Gaps;
  readonly #loop: LeaseLoop;
  readonly #intake: Intake;
  #holding: Holding | undefined;
  #lanes: readonly StreamLane[] = [];
  #received = 0;
  #known = 0;

  constructor(parts: MessageSourceParts<RedisStreamSettings>) {
    const { clock, format, log, logger, settings } = parts;
    this.name = settings.name;
    this.#parts = parts;
    this.#gaps = new Gaps({ source: this.name, clock, logger });
    this.#loop = new LeaseLoop({
      ...parts,
      kind: 'source',
      name: this.name,
      does: 'takes entries',
      work: (holding) => this.#work(holding),
      onEnd: () => this.#end(),
    });
    this.#intake = new Intake({
      ...{ source: this, log, format },
      onFault: async (error) => {
        await this.#loop.waitAfter(error);
        return this.#loop.isClosing || this.#holding?.isLost !== false ? 'stop' : 'again';
      },
      onTaken: () => this.#loop.succeeded(),
    });
  }

  start(): void {
    this.#loop.start();
  }

  state(): SourceState {
    const isHolder = this.#holding !== undefined;
    const reason = this.#lanes.find((lane) => lane.reason !== undefined)?.reason ?? this.#loop.reason;
    return {
      isReady: reason === undefined,
      ...(reason === undefined ? {} : { reason }),
      isHolder,
      received: this.#received,
      ...this.#intake.counts,
      known: this.#known,
      behind: this.#lanes.reduce((sum, lane) => sum + lane.behind, 0),
      lagMs: Math.round(Math.max(0, ...this.#lanes.map((lane) => lane.lagMs))),
      ...this.#gaps.state(),
    };
  }

  async close(): Promise<void> {
    // A server that does not answer is not waited for as long as it may take otherwise.
    const timer = setTimeout(() => {
      for (const lane of this.#lanes) lane.abort();
    }, CLOSE_MS);
    await this.#loop.close();
    clearTimeout(timer);
  }

  #end(): void {
    for (const lane of this.#lanes) lane.end();
  }

  async #work(holding: Holding): Promise<'ended' | 'later'> {
    this.#holding = holding;
    this.#lanes = this.#parts.settings.streams.map((stream) => this.#lane(stream, holding));
    try {
      let failure: unknown;
      const runs = this.#lanes.map((lane) =>
        lane.run().catch((error: unknown) => {
          failure ??= error;
          this.#end();
        }),
      );
      if (holding.isLost || this.#loop.isClosing) this.#end();
      await Promise.all(runs);
      if (failure === undefined) return 'ended';
      // Another node has the lease, which is as it should be.
      if (failure instanceof LatchkeyError && failure.code === 'conflict') return 'later';
      throw failure;
    } finally {
      this.#lanes = [];
      this.#holding = undefined;
    }
  }

  #lane(stream: string, holding: Holding): StreamLane {
    const { clock, log, logger, random, settings } = this.#parts;
    return new StreamLane({
      ...{ clock, log, logger, random, settings, stream, intake: this.#intake, fence: holding.fence },
      onReceived: (entries) => {
        this.#received += entries;
      },
      onKnown: (entries) => {
        this.#known += entries;
      },
      onGap: (gap) => this.#gaps.report(gap),
      onCaughtUp: () => {
        if (this.#lanes.every((lane) => lane.reason === undefined)) this.#loop.succeeded();
      },
    });
  }
}

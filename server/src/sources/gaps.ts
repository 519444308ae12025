import type { Clock } from '../shared/clock.ts';
import type { Logger } from '../shared/logger.ts';
import { formatMicros } from '../shared/timestamp.ts';
import type { SourceGap, SourceState } from './source.ts';

export interface GapsSetup {
  readonly source: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default ten minutes. */
  readonly noticeMs?: number | undefined;
}

/** So long `/ready` tells of a gap: whoever looks then can still do something about it. */
const NOTICE_MS = 600_000;

/** The times in which a source may have missed messages: told in the log, counted, and for a while in `/ready`. */
export class Gaps {
  readonly #setup: GapsSetup;
  #count = 0;
  #last: SourceGap | undefined;
  #toldMs = 0;

  constructor(setup: GapsSetup) {
    this.#setup = setup;
  }

  report({ from, reason, to }: SourceGap): void {
    const gap = { from, to, reason };
    const { clock, logger, source } = this.#setup;
    this.#count += 1;
    this.#last = gap;
    this.#toldMs = clock.monotonicMs();
    logger.warn(
      { source, from: formatMicros(from), to: formatMicros(to) },
      `source ${source} ${textOf(gap)}; their senders must send them again`,
    );
  }

  /** As the state of the source tells of them. */
  state(): Pick<SourceState, 'gaps' | 'lastGap' | 'notice'> {
    const { clock, noticeMs = NOTICE_MS } = this.#setup;
    if (this.#last === undefined) return { gaps: 0 };
    const isNews = clock.monotonicMs() - this.#toldMs < noticeMs;
    return { gaps: this.#count, lastGap: this.#last, ...(isNews ? { notice: textOf(this.#last) } : {}) };
  }
}

function textOf({ from, reason, to }: SourceGap): string {
  return `may have missed messages from ${formatMicros(from)} to ${formatMicros(to)}: ${reason}`;
}

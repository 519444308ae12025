import type { SourceSettings } from '../config/flow-settings.ts';
import type { Format } from '../formats/format.ts';
import type { Log, LogState } from '../log/log.ts';
import type { Clock } from '../shared/clock.ts';
import type { Logger, ReportFault } from '../shared/logger.ts';

/** A time in which messages may have been missed that nobody can bring again. Microseconds since 1970. */
export interface SourceGap {
  readonly from: number;
  readonly to: number;
  /** What happened then, in a sentence for the operator. */
  readonly reason: string;
}

/** What each field beside `isReady` and `reason` is called in `/v1/status`; `isHolder` is `holder` there. */
export interface SourceState extends LogState {
  /** Whether this node is the one that takes the messages now; the others stand by. */
  readonly isHolder: boolean;
  /** Messages that came since it started; a standby's are counted where it hears them too. */
  readonly received: number;
  /** Changes that this node has made of them. */
  readonly applied: number;
  /** Messages that became dead letters here. */
  readonly deadLettered: number;
  /** How far it is behind: how long the oldest message that is not durable yet has waited. */
  readonly lagMs?: number;
  /** Messages that wait where they come from, as far as is known. */
  readonly behind?: number;
  /** Where messages can be missed: how often that may have happened, and when it was last. */
  readonly gaps?: number;
  readonly lastGap?: SourceGap;
  /** What `/ready` says of it for a while though it is ready: that there was a gap. */
  readonly notice?: string;
  /** Whatever else there is to tell of it. */
  readonly [more: string]: unknown;
}

/**
 * Brings messages in: receives, decodes by its format, submits to the log, and acknowledges to the sender only after the log
 * answered. Infrastructure faults make it wait with jittered backoff and say so in `state`; a message that can't be decoded or
 * decided becomes a dead letter, in the step of the others, and stops nothing.
 */
export interface Source {
  readonly name: string;
  readonly kind: SourceSettings['kind'];
  /** Begins, and never fails: what keeps it from receiving is in `state`. */
  start(): void;
  state(): SourceState;
  /** Finishes what it has begun and hands over to another node. Idempotent. */
  close(): Promise<void>;
}

/** What every source is made with. */
export interface SourceParts<Settings extends SourceSettings = SourceSettings> {
  readonly settings: Settings;
  readonly log: Log;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly reportFault: ReportFault;
  /** 0 ≤ x < 1; spreads what all nodes would do at once. */
  readonly random: () => number;
  /** Default 10 seconds: so long a holder may be gone before another node takes over. */
  readonly leaseTtlMs?: number;
}

/** What a source of messages is made with; its format has the source's `keyPrefix`, `late` and `recordEqual` in it. */
export interface MessageSourceParts<Settings extends SourceSettings = SourceSettings> extends SourceParts<Settings> {
  readonly format: Format;
}

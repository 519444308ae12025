import type { Entry } from './entry.ts';

/** A command as `POST /v1/commands` and WebSocket frames take it. `ttl` is in seconds, a number or numeric text. */
export type Command =
  | ({
      readonly op: 'put';
      readonly key: string;
      readonly value: unknown;
      readonly contentType?: string;
      readonly encoding?: 'base64';
    } & Conditions)
  | ({ readonly op: 'merge'; readonly key: string; readonly value: Readonly<Record<string, unknown>> } & Conditions)
  | {
      readonly op: 'remove';
      readonly key: string;
      readonly updated?: string;
      readonly ifVersion?: string;
      readonly idempotencyKey?: string;
    }
  | {
      readonly op: 'expire';
      readonly key: string;
      readonly ttl: number | string | null;
      readonly idempotencyKey?: string;
    }
  | {
      readonly op: 'removeMatching';
      readonly pattern: string;
      readonly dryRun?: boolean;
      readonly idempotencyKey?: string;
    }
  | { readonly op: 'read'; readonly key: string };

export interface Conditions {
  readonly updated?: string;
  readonly valid?: string;
  readonly ttl?: number | string;
  readonly ifVersion?: string;
  readonly ifAbsent?: boolean;
  readonly ifPresent?: boolean;
  readonly keepExpiry?: boolean;
  readonly returnPrevious?: boolean;
  readonly idempotencyKey?: string;
}

/** What a command's sender is told. */
export type Outcome =
  | {
      readonly outcome: 'applied';
      readonly version: string;
      readonly previous?: Entry | null;
      readonly removed?: number;
      readonly keys?: readonly string[];
      readonly truncated?: boolean;
    }
  | { readonly outcome: 'duplicate'; readonly version?: string; readonly previous?: Entry | null }
  | { readonly outcome: 'late'; readonly version: string }
  | { readonly outcome: 'conflict'; readonly entry: Entry | null }
  | {
      readonly outcome: 'refused';
      readonly code: string;
      readonly message: string;
      readonly field?: string;
      readonly limit?: number;
    }
  | { readonly outcome: 'value'; readonly entry: Entry | null }
  | { readonly outcome: 'value'; readonly keys: readonly string[]; readonly truncated: boolean };

export type Refused = Extract<Outcome, { readonly outcome: 'refused' }>;

/** What somebody is told whose write was not refused. */
export type Written = Extract<Outcome, { readonly outcome: 'applied' | 'duplicate' | 'late' | 'conflict' }>;

/** What a command that was not refused may be told, by its `op`. */
export type OutcomeOf<Op extends Command['op']> = Op extends 'read'
  ? { readonly outcome: 'value'; readonly entry: Entry | null }
  : Op extends 'removeMatching'
    ? Exclude<Outcome, Refused | { readonly entry: Entry | null }>
    : Written;

/** The outcome of each of the commands, in its place. */
export type OutcomesOf<Commands extends readonly Command[]> = {
  readonly [Index in keyof Commands]: OutcomeOf<Commands[Index]['op']> | Refused;
};

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

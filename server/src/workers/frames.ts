import type { ErrorCode, ErrorDetails, Position } from '@latchkey/client';
import { LatchkeyError } from '@latchkey/client';
import type { FlowReports, ProcessReport, WorkerReport } from '../gateways/gateway.ts';
import type { Batch, LogState, Settled } from '../log/log.ts';

/**
 * What the owner of the log and a worker say to each other. Changes and values of the view are never among it: a worker reads those
 * in the store. Commands and outcomes are, which exist nowhere else.
 */

/** An error on its way to another process; `cause` stays where it is. */
export interface PortableError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: Omit<ErrorDetails, 'cause'>;
}

/** What a worker asks of the owner, and how it is answered. */
export interface Calls {
  submit: { readonly asked: Batch; readonly answer: { readonly settled: Settled; readonly step: number } };
  acquireLease: {
    readonly asked: { readonly name: string; readonly holder: string; readonly ttlMs: number };
    readonly answer: number | undefined;
  };
  releaseLease: { readonly asked: { readonly name: string; readonly holder: string }; readonly answer: undefined };
  backup: { readonly asked: string; readonly answer: { readonly bytes: number; readonly position: Position } };
  reports: { readonly asked: undefined; readonly answer: WholeReport };
}

export type CallName = keyof Calls;

export interface WholeReport {
  readonly workers: readonly WorkerReport[];
  /** Of the owner: as prom-client writes a registry in JSON. */
  readonly metrics: unknown;
  /** Sources and sinks, which run in the owner. */
  readonly flows: FlowReports;
}

/** Where the owner is: its newest durable step, its `now`, and its log's state where that is news. */
export interface OwnerNews {
  readonly step: number;
  readonly nowMicros: number;
  readonly state?: LogState | undefined;
}

export type OwnerFrame =
  /** Read along up to that step. */
  | ({ readonly kind: 'wake' } & OwnerNews)
  /** Answer with `pong`. */
  | ({ readonly kind: 'ping' } & OwnerNews)
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'refusal'; readonly id: number; readonly error: PortableError }
  /** Answer with `report`. */
  | { readonly kind: 'tell'; readonly id: number }
  /** Take no new connection, say `bye` to watchers, end what is under way, and exit. */
  | { readonly kind: 'stop' };

export type WorkerFrame =
  | { readonly kind: 'ready' }
  /** It could not start, and exits. */
  | { readonly kind: 'failed'; readonly error: PortableError }
  | { readonly kind: 'pong' }
  /** Reads here show everything up to that step; told where there are other workers. */
  | { readonly kind: 'shown'; readonly step: number }
  | { [Name in CallName]: CallFrame<Name> }[CallName]
  | { readonly kind: 'report'; readonly id: number; readonly report: ProcessReport };

export interface CallFrame<Name extends CallName> {
  readonly kind: 'call';
  readonly id: number;
  readonly name: Name;
  readonly asked: Calls[Name]['asked'];
}

export function portable(error: unknown): PortableError {
  if (!(error instanceof LatchkeyError)) {
    const message =
      'Another process of this server failed because of a bug in Latchkey; its log lines have the details.';
    return { code: 'internal', message, details: {} };
  }
  const { cause: _, ...details } = error.details;
  return { code: error.code, message: error.message, details };
}

export function fromPortable({ code, details, message }: PortableError): LatchkeyError {
  return new LatchkeyError(code, message, details);
}

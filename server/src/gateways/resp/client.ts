import type { Found } from '../../log/log.ts';
import type { Principal } from '../../shared/access.ts';
import { textOf } from '../../shared/payload.ts';
import type { Arguments } from './call.ts';
import type { Subscriptions } from './subscriptions.ts';

/** A transaction that is being said. */
export interface Queue {
  readonly requests: KeptRequest[];
  bytes: number;
  /** One of its commands can't be, so none will. */
  isBroken: boolean;
}

/** What a connection has said of itself so far. */
export interface Client {
  readonly id: number;
  readonly address: string;
  readonly localAddress: string;
  readonly principal: Principal;
  /** Of the changes it makes. */
  readonly origin: string;
  readonly connectedAtMs: number;
  readonly subscriptions: Subscriptions;
  protocol: 2 | 3;
  isAuthenticated: boolean;
  name: string;
  libraryName: string;
  libraryVersion: string;
  lastCommand: string;
  lastAtMs: number;
  /** Between MULTI and EXEC. */
  queue: Queue | undefined;
  /** By their keys. */
  readonly watched: Map<string, Found>;
}

/** A request that outlives the bytes it came in. */
export class KeptRequest implements Arguments {
  readonly count: number;
  readonly #parts: readonly Buffer[];

  constructor(args: Arguments) {
    this.count = args.count;
    this.#parts = Array.from({ length: args.count }, (_value, index) => Buffer.from(args.bytes(index)));
  }

  size(index: number): number {
    return this.bytes(index).length;
  }

  bytes(index: number): Buffer {
    return this.#parts[index] as Buffer;
  }

  latin1(index: number): string {
    return this.bytes(index).toString('latin1');
  }

  text(index: number): string | undefined {
    return textOf(this.bytes(index));
  }
}

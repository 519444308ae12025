import assert from 'node:assert/strict';
import { LatchkeyError } from '@latchkey/client';
import type { Command, Outcome } from '../../server/src/commands/command.ts';
import type { Settings } from '../../server/src/config/settings.ts';
import type { Batch, Log } from '../../server/src/log/log.ts';
import { ANONYMOUS } from '../../server/src/shared/access.ts';
import type { ManualClock } from '../support/manual-clock.ts';

/** What an adapter's test gives the suite. `reopen` stops the log and opens it again on the same data. */
export interface LogProbe {
  readonly clock: ManualClock;
  open(settings?: (defaults: Settings) => Settings): Promise<Log>;
  reopen(): Promise<Log>;
  /** Decides what is due by the clock. */
  settleDue(log: Log): Promise<void>;
  /** Where the log under test hands on what is submitted: the one that decides it. */
  deciding?: () => Log;
  /** Makes the next durable step fail as a full disk does; undefined where this log can't. */
  failNextStep?: () => void;
  close(): Promise<void>;
}

export const SECOND = 1_000_000;

export function put(key: string, value: unknown, options: Partial<Extract<Command, { op: 'put' }>> = {}): Command {
  return { op: 'put', key, value: { kind: 'json', data: JSON.stringify(value) }, ...options };
}

export const moment = (micros: number) => ({ micros });

export async function one(log: Log, command: Command): Promise<Outcome> {
  const { outcomes } = await submit(log, [command]);
  return outcomes[0] as Outcome;
}

export function submit(log: Log, commands: Batch['commands'], rest: Partial<Batch> = {}) {
  return log.submit({ commands, principal: ANONYMOUS, ...rest });
}

export function jsonOf(log: Log, key: string): unknown {
  const entry = log.view.get(key);
  return entry?.value === undefined ? undefined : JSON.parse(String(entry.value.data));
}

export async function code(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    assert.ok(error instanceof LatchkeyError, String(error));
    return error.code;
  }
}

/** What the promises are written against: the log under test, opened anew for each. */
export interface LogSuite {
  probe: LogProbe;
  log: Log;
  each(promise: string, body: () => Promise<void>): void;
}

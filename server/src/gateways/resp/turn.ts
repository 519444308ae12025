import { LatchkeyError } from '@latchkey/client';
import type { Command, Outcome } from '../../commands/command.ts';
import type { Found, Log, Settled } from '../../log/log.ts';
import type { WriteReply } from './call.ts';
import type { Client } from './client.ts';
import type { ReplyWriter } from './reply-writer.ts';

/** One command's share of a turn. */
export interface TurnReply {
  /** How many of the turn's commands are its own. */
  readonly commands: number;
  readonly write: (reply: ReplyWriter, outcomes: readonly Outcome[]) => void;
}

const NO_OUTCOMES: readonly Outcome[] = [];
/** About what a command takes beside its value. */
const COMMAND_BYTES = 100;

/**
 * What a connection has asked for since something of it had to go to the log: the commands for the log, and all replies in order, those
 * too that ask nothing of it.
 *
 * Invariant: the replies' `commands` add up to the number of commands.
 */
export class Turn {
  readonly commands: Command[] = [];
  readonly replies: TurnReply[] = [];
  readonly isTransaction: boolean;
  /** Of a transaction: what it is to have found unchanged. */
  readonly #watched: readonly Found[];
  bytes = 0;

  constructor(watched?: readonly Found[]) {
    this.isTransaction = watched !== undefined;
    this.#watched = watched ?? [];
  }

  say(write: WriteReply): void {
    this.replies.push({ commands: 0, write });
  }

  add(commands: readonly Command[], write: TurnReply['write']): void {
    for (const command of commands) {
      this.commands.push(command);
      this.bytes += COMMAND_BYTES;
      if (command.op === 'put') this.bytes += command.value.data.length;
      else if (command.op === 'merge') this.bytes += command.patch.length;
    }
    this.replies.push({ commands: commands.length, write });
  }

  /**
   * All of it as one batch; a transaction as one step, or in as many as it takes where it is bigger than one.
   * @throws LatchkeyError `conflict` where something watched has changed, and what `Log.submit` throws
   */
  async submit(log: Log, { origin, principal }: Client): Promise<Settled> {
    const batch = { commands: this.commands, principal, origin };
    if (!this.isTransaction) return log.submit(batch);
    const watching = this.#watched.length === 0 ? batch : { ...batch, ifUnchanged: this.#watched };
    try {
      return await log.submit({ ...watching, oneStep: true });
    } catch (error) {
      if (error instanceof LatchkeyError && error.code === 'batch-too-big') return log.submit(watching);
      throw error;
    }
  }

  /** Calls `each` for every reply in order with the outcomes of its commands. */
  settle(outcomes: readonly Outcome[], each: (reply: TurnReply, own: readonly Outcome[]) => void): void {
    let at = 0;
    for (const reply of this.replies) {
      const own = reply.commands === 0 ? NO_OUTCOMES : outcomes.slice(at, at + reply.commands);
      at += reply.commands;
      each(reply, own);
    }
  }
}

import type { Command, Outcome } from '../../commands/command.ts';
import type { Found } from '../../log/log.ts';
import type { Change } from '../../shared/change.ts';
import type { Client } from './client.ts';
import type { ReplyWriter } from './reply-writer.ts';
import type { RespCore } from './resp-core.ts';

/** The arguments of one request; the first one is the command's name. */
export interface Arguments {
  readonly count: number;
  size(index: number): number;
  /** As it lies in what was received: copy it to keep it. */
  bytes(index: number): Buffer;
  /** Each byte a character. */
  latin1(index: number): string;
  /** In UTF-8; undefined where it is not. */
  text(index: number): string | undefined;
}

export type WriteReply = (reply: ReplyWriter) => void;

/** Given by whatever answers, so that no handler can end without having answered, or having made sure that it will be. */
export type Answered = 'answered';

/** A command on its way: what its handler may ask for. */
export interface Call {
  readonly args: Arguments;
  readonly core: RespCore;
  readonly client: Client;
  /** Nothing of this connection stands before it, so what it reads may be read and written at once. */
  readonly isDirect: boolean;
  readonly writer: ReplyWriter;
  /** Called at once, or when its turn comes: what it publishes or subscribes to happens then. */
  reply(write: WriteReply): Answered;
  /** Live entries, each as the commands before this one leave it. */
  read(
    keys: readonly string[],
    write: (reply: ReplyWriter, entries: readonly (Change | undefined)[]) => void,
  ): Answered;
  /** `write` is told what became of each. Refusals are written as errors before it is called. */
  write(commands: readonly Command[], write: (reply: ReplyWriter, outcomes: readonly Outcome[]) => void): Answered;
  /** For what takes more than one turn of the event loop: nothing else of the connection goes on meanwhile. */
  wait(work: () => Promise<WriteReply>): Answered;
  /** Runs what was queued as one step, and replies with an array of their replies; with null where something watched has changed. */
  transact(requests: readonly Arguments[], watched: readonly Found[]): Answered;
  /** Ends the connection once what was written so far is sent. */
  hangUp(): void;
}

export type CommandFlag =
  /** Takes its turn only when nothing of the connection waits for the log: it reads more than keys. */
  | 'barrier'
  /** Before a client has said its password. */
  | 'unauthenticated'
  /** In RESP2 while subscribed. */
  | 'subscribed'
  /** Not between MULTI and EXEC. */
  | 'alone'
  /** Within MULTI it is obeyed, not queued. */
  | 'immediate';

export interface CommandSpec {
  readonly name: string;
  /** Arguments with the name; negative: at least so many. */
  readonly arity: number;
  readonly flags: readonly CommandFlag[];
  /** What `COMMAND INFO` says: places of the first and last key, and the step between; 0: none. */
  readonly keys: readonly [first: number, last: number, step: number];
  readonly isWrite: boolean;
  readonly group: 'connection' | 'server' | 'string' | 'generic' | 'hash' | 'set' | 'pubsub' | 'transactions';
  readonly run: (call: Call) => Answered;
  /** For metrics; counted by the gateway. */
  readonly usage: string;
}

/** A command that names no keys and writes none. */
export function keyless(
  group: CommandSpec['group'],
  name: string,
  arity: number,
  flags: readonly CommandFlag[],
  run: CommandSpec['run'],
  usage: string,
): CommandSpec {
  return { name, arity, flags, keys: [0, 0, 0], isWrite: false, group, run, usage };
}

/** What a client is told instead of its reply, with Redis's leading word. */
export class CommandError extends Error {}

export const SYNTAX_ERROR = 'ERR syntax error';
export const NOT_AN_INTEGER = 'ERR value is not an integer or out of range';
export const NOT_ALLOWED = 'NOPERM This principal may not read that key. (forbidden)';
export const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value';

export function arityError(name: string): CommandError {
  return new CommandError(`ERR wrong number of arguments for '${name}' command`);
}

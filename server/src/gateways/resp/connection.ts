/**
 * One connection of a Redis client: stands between its socket and the commands. Requests are taken one after the other. What reads is
 * answered at once as long as nothing waits for the log; from the first write on, everything joins one turn, which goes to the log as
 * one batch when there is no more to read. Meanwhile no request is taken, and the socket is not read beyond one piece.
 *
 * Invariant: at most one turn, or one command that waits, is under way, and replies go out in the order of the requests.
 */

import type { Socket } from 'node:net';
import { LatchkeyError } from '@latchkey/client';
import type { Command, Outcome } from '../../commands/command.ts';
import type { Found } from '../../log/log.ts';
import type { Change } from '../../shared/change.ts';
import type { Publication } from '../../shared/channels.ts';
import { isRefusal } from '../../shared/refusal.ts';
import { admit } from './admission.ts';
import {
  type Answered,
  type Arguments,
  type Call,
  CommandError,
  type CommandSpec,
  NOT_ALLOWED,
  type WriteReply,
} from './call.ts';
import type { Client } from './client.ts';
import { CommandFinder, commandOf } from './commands.ts';
import { errorText, unexpectedText } from './error-reply.ts';
import { entryOf } from './outcome-entry.ts';
import type { Output } from './output.ts';
import type { ReplyWriter } from './reply-writer.ts';
import { ProtocolError, type RequestLimits, RequestReader } from './request-reader.ts';
import type { RespCore } from './resp-core.ts';
import { liveOf } from './stored-value.ts';
import { Turn } from './turn.ts';

/** A turn is handed to the log when it has so much; the requests behind it wait. */
const TURN_COMMANDS_MAX = 1000;
const TURN_BYTES_MAX = 1024 * 1024;
/** Replies go to the socket in pieces of about this size. */
const FLUSH_BYTES = 64 * 1024;

/** Whoever was told that it is over gets this long to leave. */
const LINGER_MS = 1000;

const NO_AUTH = 'NOAUTH Authentication required.';

export interface ConnectionParts {
  readonly core: RespCore;
  readonly client: Client;
  readonly socket: Socket;
  readonly output: Output;
  /** Shared by all connections: what is written to it is taken within the turn of the event loop. */
  readonly writer: ReplyWriter;
  readonly limits: { readonly open: RequestLimits; readonly unauthenticated: RequestLimits };
  /** Bytes of unfinished requests of all connections together, as this one's change. */
  readonly input: { add(bytes: number): boolean };
}

export class Connection implements Call {
  readonly core: RespCore;
  readonly client: Client;
  readonly writer: ReplyWriter;
  args: Arguments;
  readonly #socket: Socket;
  readonly #output: Output;
  readonly #parts: ConnectionParts;
  readonly #reader: RequestReader;
  #turn: Turn | undefined;
  /** A turn or a command is under way elsewhere. */
  #isBusy = false;
  /** The socket has not taken what it was given. */
  #isBlocked = false;
  #isRunning = false;
  #isEnding = false;
  /** The current request waits until the turn before it is over. */
  #isHeld = false;
  /** What came meanwhile. */
  readonly #chunks: Buffer[] = [];
  #bufferedBytes = 0;
  readonly #commands = new CommandFinder();
  #fault: ProtocolError | undefined;
  #idle: (() => void) | undefined;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    this.core = parts.core;
    this.client = parts.client;
    this.writer = parts.writer;
    this.#socket = parts.socket;
    this.#output = parts.output;
    this.#reader = new RequestReader(parts.client.isAuthenticated ? parts.limits.open : parts.limits.unauthenticated);
    this.args = this.#reader;
    this.#socket.on('data', (chunk) => this.#take(chunk));
    this.#socket.on('drain', () => this.#unblock());
    this.#socket.once('close', () => this.#leave());
  }

  get isDirect(): boolean {
    return this.#turn === undefined;
  }

  reply(write: WriteReply): Answered {
    if (this.#turn === undefined) write(this.writer);
    else this.#turn.say(write);
    return 'answered';
  }

  read(
    keys: readonly string[],
    write: (reply: ReplyWriter, entries: readonly (Change | undefined)[]) => void,
  ): Answered {
    if (this.#turn === undefined) {
      const { access, log } = this.core;
      const nowMicros = log.view.nowMicros();
      const entries = keys.map((key) => {
        if (!access.allowed(this.client.principal, 'read', key)) throw new CommandError(NOT_ALLOWED);
        return liveOf(log.view.get(key), nowMicros);
      });
      write(this.writer, entries);
      return 'answered';
    }
    this.#turn.add(
      keys.map((key) => ({ op: 'read', key })),
      (reply, outcomes) => write(reply, outcomes.map(entryOf)),
    );
    return 'answered';
  }

  write(commands: readonly Command[], write: (reply: ReplyWriter, outcomes: readonly Outcome[]) => void): Answered {
    this.#turn ??= new Turn();
    this.#turn.add(commands, write);
    return 'answered';
  }

  wait(work: () => Promise<WriteReply>): Answered {
    this.#isBusy = true;
    work().then(
      (write) => this.#resume(() => write(this.writer)),
      (error: unknown) => this.#resume(() => this.#sayError(error)),
    );
    return 'answered';
  }

  transact(requests: readonly Arguments[], watched: readonly Found[]): Answered {
    const turn = new Turn(watched);
    this.#turn = turn;
    for (const args of requests) {
      this.args = args;
      this.#obey(commandOf(args.latin1(0)) as CommandSpec);
    }
    this.args = this.#reader;
    if (turn.commands.length > 0 || watched.length > 0) return 'answered';
    this.#turn = undefined;
    this.#settle(turn, []);
    return 'answered';
  }

  hangUp(): void {
    this.#isEnding = true;
  }

  /** Hands over what somebody published. */
  deliver(publication: Publication): void {
    // A message to oneself comes behind the replies that are being written.
    if (this.#isRunning) this.writer.raw(this.#output.frame(publication));
    else this.#output.push(publication);
  }

  /** Takes no further request, and ends when the one under way is answered. */
  async close(): Promise<void> {
    this.#isEnding = true;
    if (this.#isBusy) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    this.#socket.destroySoon();
  }

  #take(chunk: Buffer): void {
    if (this.#isBusy || this.#isBlocked || this.#isEnding) {
      if (this.#isEnding) return;
      this.#chunks.push(chunk);
      this.#socket.pause();
      return;
    }
    this.#reader.push(chunk);
    this.#run();
  }

  #run(): void {
    this.#isRunning = true;
    this.writer.protocol = this.client.protocol;
    this.writer.clear();
    this.client.lastAtMs = this.core.clock.monotonicMs();
    try {
      this.#runRequests();
    } catch (error) {
      if (error instanceof ProtocolError) this.#fault = error;
      else this.#failed(error);
    }
    if (this.#turn !== undefined && !this.#isBusy) this.#submit(this.#turn);
    if (this.#fault !== undefined && !this.#isBusy) this.#sayFault(this.#fault);
    this.#flush();
    this.#isRunning = false;
    this.#account();
    if (this.#isEnding && !this.#isBusy) this.#end();
  }

  #runRequests(): void {
    while (!this.#isBusy && !this.#isEnding && !this.#isBlocked) {
      const turn = this.#turn;
      if (
        turn !== undefined &&
        (turn.isTransaction || turn.replies.length >= TURN_COMMANDS_MAX || turn.bytes >= TURN_BYTES_MAX)
      )
        return;
      if (this.#isHeld) this.#isHeld = false;
      else if (!this.#reader.next()) return;
      this.#dispatch();
      if (this.#isHeld) return;
      if (this.writer.length >= FLUSH_BYTES) this.#flush();
    }
  }

  #dispatch(): void {
    const { client, core } = this;
    const spec = this.#commands.find(this.#reader);
    if (spec?.flags.includes('barrier') === true && this.#turn !== undefined) {
      this.#isHeld = true;
      return;
    }
    core.stats.commands += 1;
    const found = admit(this.#reader, spec, client);
    if (typeof found === 'object') {
      client.lastCommand = found.name;
      this.#obey(found);
      const { open, unauthenticated } = this.#parts.limits;
      this.#reader.limits = client.isAuthenticated ? open : unauthenticated;
    } else if (found === 'queued') this.reply((reply) => reply.simple('QUEUED'));
    else if (found === 'forged') {
      core.logger.warn(
        { address: client.address },
        'resp: a request of HTTP came to the Redis port and was cut off; somebody may be sending browsers there',
      );
      this.#isEnding = true;
      this.#socket.destroy();
    } else this.#sayError(new CommandError(found === 'no-auth' ? NO_AUTH : found.slice(1)));
  }

  #obey(spec: CommandSpec): void {
    const { length } = this.writer;
    try {
      spec.run(this);
    } catch (error) {
      // Half a reply would put everything behind it out of step.
      this.writer.truncate(length);
      this.#sayError(error);
    }
  }

  #sayError(error: unknown): void {
    const text = error instanceof CommandError ? error.message : unexpectedText(error);
    if (!(error instanceof CommandError || error instanceof LatchkeyError)) this.core.reportFault('gateways', error);
    this.core.stats.errors += 1;
    this.reply((reply) => reply.error(text));
  }

  #submit(turn: Turn): void {
    this.#turn = undefined;
    this.#isBusy = true;
    turn.submit(this.core.log, this.client).then(
      ({ outcomes }) => this.#resume(() => this.#settle(turn, outcomes)),
      (error: unknown) => this.#resume(() => this.#fail(turn, error)),
    );
  }

  #settle(turn: Turn, outcomes: readonly Outcome[]): void {
    if (turn.isTransaction) this.writer.array(turn.replies.length);
    turn.settle(outcomes, ({ write }, own) => {
      const { length } = this.writer;
      try {
        const refusal = own.find(isRefusal);
        if (refusal === undefined) write(this.writer, own);
        else this.#sayError(new CommandError(errorText(refusal)));
      } catch (error) {
        this.writer.truncate(length);
        this.#sayError(error);
      }
    });
  }

  /** Nothing of the turn was kept; what it did not ask of the log is answered all the same. */
  #fail(turn: Turn, error: unknown): void {
    if (turn.isTransaction) {
      if (error instanceof LatchkeyError && error.code === 'conflict') this.writer.nullArray();
      else this.#sayError(error);
      return;
    }
    turn.settle([], ({ commands, write }) => {
      if (commands === 0) write(this.writer, []);
      else this.#sayError(error);
    });
  }

  /** Goes on behind what was waited for. */
  #resume(answer: () => void): void {
    this.#isBusy = false;
    if (this.#socket.destroyed) {
      this.#idle?.();
      return;
    }
    this.#isRunning = true;
    this.writer.protocol = this.client.protocol;
    this.writer.clear();
    try {
      answer();
    } catch (error) {
      this.#failed(error);
    }
    this.#flush();
    this.#goOn();
    if (this.#isEnding && !this.#isBusy) {
      this.#end();
      this.#idle?.();
    }
  }

  /** What was said last is read before the other end is told that nothing else comes; one that never leaves is cut off. */
  #end(): void {
    const socket = this.#socket;
    socket.end();
    socket.setTimeout(LINGER_MS, () => socket.destroy());
    socket.resume();
  }

  #unblock(): void {
    if (!this.#isBlocked) return;
    this.#isBlocked = false;
    if (!this.#isBusy) this.#goOn();
  }

  #goOn(): void {
    this.#run();
    while (!this.#isBusy && !this.#isBlocked && !this.#isEnding) {
      const chunk = this.#chunks.shift();
      if (chunk === undefined) {
        this.#socket.resume();
        return;
      }
      this.#reader.push(chunk);
      this.#run();
    }
  }

  #flush(): void {
    if (this.#output.write(this.writer)) return;
    this.#isBlocked = true;
  }

  #sayFault(fault: ProtocolError): void {
    this.core.stats.errors += 1;
    this.writer.error(`ERR ${fault.message}`);
    this.core.logger.debug({ address: this.client.address }, `resp: ${fault.message}`);
    this.#isEnding = true;
  }

  /** A bug: what was written can't be trusted. */
  #failed(error: unknown): void {
    this.core.reportFault('gateways', error);
    this.writer.clear();
    this.#isEnding = true;
    this.#socket.destroy();
  }

  #account(): void {
    const { bufferedBytes } = this.#reader;
    if (bufferedBytes === this.#bufferedBytes) return;
    const isTaken = this.#parts.input.add(bufferedBytes - this.#bufferedBytes);
    this.#bufferedBytes = bufferedBytes;
    if (isTaken || this.#isEnding) return;
    this.#isRunning = true;
    this.#sayFault(
      new ProtocolError('too many bytes of unfinished requests wait on all connections together; come back later'),
    );
    this.#flush();
    this.#isRunning = false;
  }

  #leave(): void {
    this.client.subscriptions.clear();
    this.client.queue = undefined;
    this.#isEnding = true;
    this.#parts.input.add(-this.#bufferedBytes);
    this.#bufferedBytes = 0;
    this.#chunks.length = 0;
  }
}

/**
 * The two connections of a store: one for commands, and one for the read that waits, because that holds up whatever comes after it.
 * Stands between the store and the connections, and translates what goes wrong, once. It repeats nothing but a script that the
 * server did not know.
 *
 * Invariant: `runId` is of the server that commands go to, and both are connected to one server, or reading is refused. When a
 * connection for commands is up, nothing that was sent over the one before is still carried out.
 */
import { LatchkeyError } from '@latchkey/client';
import { type ConnectionOptions, RedisConnection } from '../../shared/redis/connection.ts';
import type { RawClient } from '../../shared/redis/endpoint.ts';
import { replyCode } from '../../shared/redis/error.ts';
import { type Argument, listOfReply, parseInfo, type Reply, textOfReply } from '../../shared/redis/reply.ts';
import { REHEARSAL_SCRIPT } from './rehearsal-script.ts';
import { type Script, script } from './script.ts';
import { commandsRefused, type ErrorPlace, refuseReplica, storeError, storeReplyCode } from './store-error.ts';

export interface StoreConnectionsOptions extends Pick<ConnectionOptions, 'place' | 'random' | 'onDown'> {
  /** Of the log's own keys. */
  readonly prefix: string;
  /** What a new connection runs once on keys below this one. */
  readonly rehearsalKey: string;
}

const REHEARSAL = script(REHEARSAL_SCRIPT);

export class StoreConnections {
  readonly #options: StoreConnectionsOptions;
  readonly #commands: RedisConnection;
  readonly #waiting: RedisConnection;
  #runId = '';
  #commandsId = '';
  #waitingRunId = '';
  #waitingId = '';

  constructor(options: StoreConnectionsOptions) {
    this.#options = options;
    const { onDown, place, random } = options;
    const both = {
      place,
      isBinary: true,
      ...(random === undefined ? {} : { random }),
      ...(onDown === undefined ? {} : { onDown }),
    };
    this.#commands = new RedisConnection({
      ...both,
      name: 'latchkey-log',
      onUp: (client) => this.guarded('connecting', () => this.#prepareCommands(client)),
    });
    this.#waiting = new RedisConnection({
      ...both,
      name: 'latchkey-log-tail',
      onUp: (client) => this.guarded('connecting', () => this.#prepareWaiting(client)),
    });
  }

  get isUp(): boolean {
    return this.#commands.isUp && this.#waiting.isUp;
  }

  /** Of the server that gets what is sent next. */
  get runId(): string {
    return this.#runId;
  }

  async up(timeoutMs: number): Promise<void> {
    await Promise.all([this.#commands.up(timeoutMs), this.#waiting.up(timeoutMs)]);
  }

  /** `waitsMs`: how long the command itself may block. */
  send(args: readonly Argument[], waitsMs = 0): Promise<Reply> {
    return this.#commands.send(args, waitsMs);
  }

  run(known: Script, keys: readonly Argument[], args: readonly Argument[]): Promise<Reply> {
    return runOn(this.#commands, known, keys, args);
  }

  /** On the connection for reads that wait. @throws LatchkeyError `not-ready` where it leads to another server than commands do */
  async sendWaiting(args: readonly Argument[], waitsMs = 0): Promise<Reply> {
    this.#checkOneServer();
    return this.#waiting.send(args, waitsMs);
  }

  /** Ends the read that waits, if one does. */
  async unblock(): Promise<void> {
    try {
      await this.#commands.send(['CLIENT', 'UNBLOCK', this.#waitingId]);
    } catch {
      // Not connected, or not permitted: the read ends by itself.
    }
  }

  /** Runs a call, and rejects with a `LatchkeyError`. */
  async guarded<Result>(doing: string, call: () => Promise<Result>): Promise<Result> {
    try {
      return await call();
    } catch (error) {
      const translated = storeError(error, this.#errorPlace, doing);
      // The primary is elsewhere by now.
      if (storeReplyCode(error) === 'READONLY') this.#renew(translated);
      throw translated;
    }
  }

  close(): void {
    this.#commands.close();
    this.#waiting.close();
  }

  get #errorPlace(): ErrorPlace {
    return { place: this.#options.place, prefix: this.#options.prefix };
  }

  #renew(error: LatchkeyError): void {
    this.#commands.renew(error);
    this.#waiting.renew(error);
  }

  /** After a failover one of the two may still be with the old primary, and nobody knows which. */
  #checkOneServer(): void {
    if (!this.isUp || this.#waitingRunId === this.#runId) return;
    const message = 'The two connections to the Redis lead to different servers; both are made anew.';
    const error = new LatchkeyError('not-ready', message, { retryAfter: 1 });
    this.#renew(error);
    throw error;
  }

  async #primaryRunId(connection: RedisConnection, client: RawClient): Promise<string> {
    const info = parseInfo(textOfReply(await connection.sendOn(client, ['INFO'])) ?? '');
    refuseReplica(info.get('role'));
    return info.get('run_id') ?? '';
  }

  async #prepareCommands(client: RawClient): Promise<void> {
    const before = { runId: this.#runId, id: this.#commandsId };
    this.#runId = await this.#primaryRunId(this.#commands, client);
    const [, id, list] = await Promise.all([
      before.runId === this.#runId ? this.#end(client, before.id) : undefined,
      this.#commands.sendOn(client, ['CLIENT', 'ID']),
      this.#commands.sendOn(client, ['EVAL', REHEARSAL.text, '1', this.#options.rehearsalKey]),
    ]);
    this.#commandsId = textOfReply(id) ?? '';
    const refused = listOfReply(list).flatMap((name) => textOfReply(name) ?? []);
    if (refused.length > 0) throw commandsRefused(refused, this.#options.place);
  }

  /**
   * What was sent before may still lie unread at the server or on the way to it. It must not be carried out any more: where it is
   * sent again and refused, its sender decides anew, and would have it done twice.
   */
  async #end(client: RawClient, id: string): Promise<void> {
    try {
      await this.#commands.sendOn(client, ['CLIENT', 'KILL', 'ID', id]);
    } catch (error) {
      // It had ended, or this user may not end it.
      if (!RedisConnection.isAnswer(error)) throw error;
    }
  }

  async #prepareWaiting(client: RawClient): Promise<void> {
    this.#waitingRunId = await this.#primaryRunId(this.#waiting, client);
    this.#waitingId = textOfReply(await this.#waiting.sendOn(client, ['CLIENT', 'ID'])) ?? '';
  }
}

/** By its digest; a server that does not know it, after a restart or SCRIPT FLUSH, gets the text. */
async function runOn(
  connection: RedisConnection,
  { digest, text }: Script,
  keys: readonly Argument[],
  args: readonly Argument[],
): Promise<Reply> {
  const rest = [String(keys.length), ...keys, ...args];
  try {
    return await connection.send(['EVALSHA', digest, ...rest]);
  } catch (error) {
    if (replyCode(error) !== 'NOSCRIPT') throw error;
    return connection.send(['EVAL', text, ...rest]);
  }
}

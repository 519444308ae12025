/**
 * Hears which keys of a Redis change. It stands between the connection, which it makes anew whenever it breaks, and the source, which
 * reads the keys. It reads no value and remembers nothing: what happened while it was not up is for the source to find out (`onUp`).
 *
 * Invariant: while `isUp`, every change of a followed key since `onUp` was told is told, or `onAll` is.
 */
import { LatchkeyError, quote } from '@latchkey/client';
import type { RedisKeyspaceSettings } from '../../config/flow-settings.ts';
import type { Logger } from '../../shared/logger.ts';
import { RedisConnection } from '../../shared/redis/connection.ts';
import type { RawClient } from '../../shared/redis/endpoint.ts';
import { replyCode } from '../../shared/redis/error.ts';
import type { Reply } from '../../shared/redis/reply.ts';
import { databaseOf, eventOf, eventPattern } from './notification-flags.ts';
import { ensureNotifications, unseenNotifications } from './notification-setting.ts';

export interface NoticesSetup {
  readonly settings: RedisKeyspaceSettings;
  /** None of which begins with another; an empty one is every key. */
  readonly prefixes: readonly string[];
  readonly logger: Logger;
  readonly random: () => number;
  /** Something happened to that key. `event`: what, where that is told. */
  readonly onKey: (name: Buffer | string, event?: string) => void;
  /** Anything may have happened to any key. */
  readonly onAll: () => void;
  /** From here on changes are told. */
  readonly onUp: () => void;
  readonly onDown: () => void;
}

export type NoticeMode = 'keyevents' | 'tracking';

/** What is answered by a server that does not have tracking or RESP3, or to a user who may not turn it on. */
const REFUSALS = /^(?:NOPERM|NOPROTO|ERR unknown|ERR syntax|ERR .*tracking)/i;

export class Notices {
  readonly #setup: NoticesSetup;
  #mode: NoticeMode;
  #connection: RedisConnection | undefined;
  /** Whether `notify-keyspace-events` could not be looked at, which is told once. */
  #isUnchecked = false;

  constructor(setup: NoticesSetup) {
    this.#setup = setup;
    this.#mode = setup.settings.mode === 'keyevents' ? 'keyevents' : 'tracking';
  }

  get mode(): NoticeMode {
    return this.#mode;
  }

  get isUp(): boolean {
    return this.#connection?.isUp === true;
  }

  /** Why it is not up, as far as is known. */
  get failure(): LatchkeyError | undefined {
    return this.#connection?.failure;
  }

  start(): void {
    this.#connection ??= this.#connect();
  }

  /**
   * Whether it still tells of everything: a half-open connection is found out by asking, and is given up where nobody answers; the events
   * may have been turned off meanwhile. `missed`: they were, and are on again. What became of it otherwise is told by `onDown`.
   */
  async check(send: (args: readonly string[]) => Promise<Reply>): Promise<'good' | 'missed'> {
    if (!this.isUp) return 'good';
    await this.#connection?.send(['PING']).catch(() => undefined);
    if (this.#mode === 'tracking' || this.#isUnchecked) return 'good';
    try {
      return (await ensureNotifications(send, this.#setup.settings)) === 'set' ? 'missed' : 'good';
    } catch (error) {
      if (!(error instanceof LatchkeyError)) throw error;
      this.#connection?.renew(error);
      return 'good';
    }
  }

  close(): void {
    this.#connection?.close();
  }

  #connect(): RedisConnection {
    const { random, settings } = this.#setup;
    const isTracking = this.#mode === 'tracking';
    const connection = new RedisConnection({
      place: settings,
      name: `latchkey-source-${settings.name}`,
      isBinary: true,
      resp: isTracking ? 3 : 2,
      hasInvalidations: isTracking,
      random,
      onUp: async (client) => {
        await (isTracking ? this.#track(connection, client) : this.#subscribe(connection, client));
        this.#setup.onUp();
      },
      onDown: (error) => {
        this.#setup.onDown();
        if (isTracking && isTrackingRefused(error.cause)) this.#giveUpTracking(connection, error);
      },
    });
    return connection;
  }

  async #track(connection: RedisConnection, client: RawClient): Promise<void> {
    client.on('invalidate', (name) => {
      if (name === null || name === undefined) this.#setup.onAll();
      else this.#setup.onKey(Buffer.isBuffer(name) ? name : String(name));
    });
    const prefixes = this.#setup.prefixes.filter((prefix) => prefix !== '').flatMap((prefix) => ['PREFIX', prefix]);
    // The client turned on another mode when it connected.
    await connection.sendOn(client, ['CLIENT', 'TRACKING', 'OFF']);
    await connection.sendOn(client, ['CLIENT', 'TRACKING', 'ON', 'BCAST', ...prefixes]);
  }

  async #subscribe(connection: RedisConnection, client: RawClient): Promise<void> {
    const { logger, onKey, settings } = this.#setup;
    const found = await ensureNotifications((args) => connection.sendOn(client, args), settings);
    if (found === 'set')
      logger.info({ source: settings.name }, `source ${settings.name}: notify-keyspace-events was set`);
    if (found === 'unchecked' && !this.#isUnchecked) {
      logger.warn({ source: settings.name }, `source ${settings.name}: ${unseenNotifications(settings)}`);
    }
    this.#isUnchecked = found === 'unchecked';
    const listener = (name: Buffer, channel: Buffer) => {
      const event = eventOf(channel.toString());
      if (event !== undefined) onKey(name, event);
    };
    await client.pSubscribe(eventPattern(databaseOf(settings.url)), listener, true);
  }

  #giveUpTracking(connection: RedisConnection, error: LatchkeyError): void {
    const { logger, settings } = this.#setup;
    if (settings.mode === 'tracking' || connection !== this.#connection) return;
    connection.close();
    this.#mode = 'keyevents';
    const code = replyCode(error.cause) ?? 'no answer';
    logger.info(
      { source: settings.name, answered: code },
      `source ${settings.name}: tracking is refused there (${quote(code)}), so keyspace events are listened to`,
    );
    this.#connection = this.#connect();
  }
}

/** Whether a server's answer says that there is no tracking, or none for this user. */
export function isTrackingRefused(answer: unknown): boolean {
  return answer instanceof Error && REFUSALS.test(answer.message);
}

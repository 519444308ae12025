import { replyCode } from '../../shared/redis/error.ts';
import { parseInfo, type Reply, textOfReply } from '../../shared/redis/reply.ts';

/** Commands that change every key, and that no event tells of. */
const COMMANDS = ['flushall', 'flushdb', 'swapdb'];

/**
 * Notices what neither events nor tracking tell of: that all keys went at once, or that the server holds another's data. It asks a few
 * counters, which everybody may see who may use INFO.
 */
export class SilentChanges {
  readonly #send: (args: readonly string[]) => Promise<Reply>;
  #last: string | undefined;

  constructor(send: (args: readonly string[]) => Promise<Reply>) {
    this.#send = send;
  }

  /** Whether there may have been one since it was asked before; never the first time. */
  async look(): Promise<boolean> {
    const found = await this.#counters();
    const before = this.#last;
    if (found === undefined) return false;
    this.#last = found;
    return before !== undefined && before !== found;
  }

  async #counters(): Promise<string | undefined> {
    try {
      const [stats, replication] = await Promise.all([
        this.#send(['INFO', 'commandstats']),
        this.#send(['INFO', 'replication']),
      ]);
      const calls = parseInfo(textOfReply(stats) ?? '');
      const found = COMMANDS.map((name) => calls.get(`cmdstat_${name}`)?.split(',')[0] ?? 'calls=0');
      return [...found, parseInfo(textOfReply(replication) ?? '').get('master_replid') ?? ''].join(' ');
    } catch (error) {
      // A user who may not ask is left with what the notices tell.
      if (replyCode(error) === 'NOPERM') return undefined;
      throw error;
    }
  }
}

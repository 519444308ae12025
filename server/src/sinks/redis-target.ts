import { LatchkeyError, quote } from '@latchkey/client';
import type { RedisSinkSettings } from '../config/flow-settings.ts';
import { type Change, isLive } from '../shared/change.ts';
import type { View } from '../view/view.ts';
import { RedisOperations } from './redis-operations.ts';
import { FORGET_SCRIPT, WRITE_SCRIPT } from './redis-scripts.ts';
import type { Target, Turn, Written } from './target.ts';

/** What it asks of a connection: a command, bounded in time, and a script by its digest. */
export interface RedisCalls {
  command(args: readonly (string | Buffer)[]): Promise<unknown>;
  script(text: string, keys: readonly (string | Buffer)[], args: readonly (string | Buffer)[]): Promise<unknown>;
  close(): Promise<void>;
}

export interface RedisTargetOptions {
  readonly settings: RedisSinkSettings;
  /** Of the log; what is kept on the Redis is below `latchkey:NAME:`. */
  readonly logName: string;
  readonly view: Pick<View, 'epochs'>;
  /** Connects where it is not connected. */
  readonly redis: RedisCalls;
}

const FENCE_TTL_MS = 30 * 24 * 3600 * 1000;
const SCAN_COUNT = '500';

/** Publishes changes on a Redis and keeps a set of what there is. */
export class RedisTarget implements Target {
  readonly #options: RedisTargetOptions;
  readonly #operations: RedisOperations;

  /** @throws LatchkeyError `config-invalid` */
  constructor(options: RedisTargetOptions) {
    this.#options = options;
    this.#operations = new RedisOperations(options.settings);
  }

  claim(turn: Turn): Promise<Written> {
    return this.#run(WRITE_SCRIPT, turn, [], []);
  }

  write(changes: readonly Change[], turn: Turn): Promise<Written> {
    const args: (string | Buffer)[] = [];
    for (const change of changes) {
      for (const operation of this.#operations.of(change, this.#options.view.epochs)) {
        if (operation.kind === 'publish') args.push('p', operation.channel, operation.payload);
        else args.push(operation.kind === 'add' ? 'a' : 'r', operation.member);
      }
    }
    return args.length === 0 ? Promise.resolve('written') : this.#run(WRITE_SCRIPT, turn, [], args);
  }

  async forget(view: View, turn: Turn): Promise<Written> {
    const set = this.#options.settings.indexSet?.key;
    if (set === undefined) return 'written';
    let cursor = '0';
    do {
      const reply = (await this.#options.redis.command(['SSCAN', set, cursor, 'COUNT', SCAN_COUNT])) as [
        unknown,
        unknown[],
      ];
      cursor = String(reply[0]);
      const gone = this.#goneOf(reply[1].map(String), view);
      if (gone.length === 0) continue;
      const keys = gone.map(({ key }) => key);
      const members = gone.map(({ member }) => member);
      if ((await this.#run(FORGET_SCRIPT, turn, keys, members)) === 'fenced') return 'fenced';
    } while (cursor !== '0');
    return 'written';
  }

  close(): Promise<void> {
    return this.#options.redis.close();
  }

  #goneOf(members: readonly string[], view: View): { readonly member: string; readonly key: string }[] {
    return members.flatMap((member) => {
      const key = this.#operations.keyOf(member);
      const entry = key === undefined ? undefined : view.get(key);
      if (key === undefined || (entry !== undefined && isLive(entry, view.nowMicros()))) return [];
      return [{ member, key }];
    });
  }

  async #run(
    script: string,
    { fence, lineage }: Turn,
    keys: readonly string[],
    args: readonly (string | Buffer)[],
  ): Promise<Written> {
    const { logName, redis, settings } = this.#options;
    const fenceKey = `latchkey:${logName}:sink:${settings.name}:${lineage}`;
    const set = settings.indexSet === null ? [] : [settings.indexSet.key];
    const reply = await redis.script(
      script,
      [fenceKey, ...set, ...keys],
      [String(fence), String(FENCE_TTL_MS), ...args],
    );
    const [word, detail] = (reply as readonly unknown[]).map(String);
    if (word === 'wrong-type') throw wrongType(settings, String(detail));
    return word === 'fenced' ? 'fenced' : 'written';
  }
}

function wrongType({ indexSet, name }: RedisSinkSettings, kind: string): LatchkeyError {
  return new LatchkeyError(
    'unavailable',
    `The key ${quote(indexSet?.key ?? '')} there holds a ${kind}, where the sink ${name} keeps a set. Rename or delete it, or set indexSet.key to another.`,
  );
}

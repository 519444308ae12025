import { createHash } from 'node:crypto';
import type { RedisConnection } from '../../shared/redis/connection.ts';
import { replyCode } from '../../shared/redis/error.ts';
import type { Argument, Reply } from '../../shared/redis/reply.ts';

/** A script by its digest, which is worked out once. */
export interface Script {
  readonly text: string;
  readonly digest: string;
}

export function script(text: string): Script {
  return { text, digest: createHash('sha1').update(text).digest('hex') };
}

/** Runs a script by its digest; a server that does not know it, after a restart or SCRIPT FLUSH, gets the text. */
export async function runScript(
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

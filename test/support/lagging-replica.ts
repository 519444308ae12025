/** A replica that is kept from following its primary, so that a failover to it loses what was written last. */
import type { RedisProcess } from './redis.ts';
import { eventually } from './redis-nodes.ts';

/** What a primary needs whose replicas can be locked out. */
export const LOCKABLE = { password: 'nodes' } as const;

/** From here on the replica is sent nothing, though it runs and answers. Both were started with `LOCKABLE`. */
export async function lockOut(replica: RedisProcess, primary: RedisProcess): Promise<void> {
  await replica.command('CONFIG', 'SET', 'masterauth', 'wrong');
  await primary.command('CLIENT', 'KILL', 'TYPE', 'replica');
  await eventually(
    'the replica follows no more',
    () => replica.info('master_link_status'),
    (status) => status === 'down',
  );
}

/** Resolves when the replica has everything that the primary has. */
export async function untilCaughtUp(replica: RedisProcess, primary: RedisProcess): Promise<void> {
  const offset = await primary.info('master_repl_offset');
  await eventually(
    'the replica has everything',
    () => replica.info('slave_repl_offset'),
    (reached) => Number(reached) >= Number(offset),
  );
}

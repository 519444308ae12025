/** A Redis to play with, its replica and its sentinels: in temporary folders, on free ports, gone at Ctrl-C. */
import { once } from 'node:events';
import { RedisProcess } from '../../test/support/redis-process.ts';
import { startSentinels } from '../../test/support/redis-sentinels.ts';

const HOW = 'scripts/services redis takes --replica and --sentinel.';

/** Resolves after SIGINT or SIGTERM. @throws Error naming the options that exist. */
export async function showRedis(options: readonly string[]): Promise<void> {
  const unknown = options.find((each) => each !== '--replica' && each !== '--sentinel');
  if (unknown !== undefined) throw new Error(`${unknown} is not an option. ${HOW}`);
  const ended: (() => unknown)[] = [];
  const scope = { after: (done: () => unknown) => void ended.push(done) };
  const interrupted = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  try {
    const lines: string[] = [];
    const notifications = 'KEA';
    if (options.includes('--sentinel')) {
      const { name, primary, replicas, sentinels } = await startSentinels(scope, { redis: { notifications } });
      lines.push(`primary    ${primary.url}`, ...replicas.map((each) => `replica    ${each.url}`));
      lines.push(...sentinels.map((each) => `sentinel   ${each.url}  knows it as ${name}`));
    } else {
      const primary = await RedisProcess.start({ notifications }, scope);
      lines.push(`primary    ${primary.url}`);
      if (options.includes('--replica')) {
        const replica = await RedisProcess.start({ notifications, replicaOf: primary }, scope);
        lines.push(`replica    ${replica.url}`);
      }
    }
    process.stdout.write(
      `${lines.join('\n')}\nnotify-keyspace-events is KEA, nothing is kept; Ctrl-C ends all of it.\n`,
    );
    await interrupted;
  } finally {
    for (const done of ended.reverse()) await done();
  }
}

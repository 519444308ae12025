import { type Argument, listOfReply, parseInfo, type Reply, textOfReply } from '../../shared/redis/reply.ts';
import type { ServerFacts } from './redis-store.ts';

interface Sends {
  send(args: readonly Argument[]): Promise<Reply>;
}

/** What a server says of itself. CONFIG may be refused, as hosted ones do. */
export async function readFacts(redis: Sends, shiftMicros: number): Promise<ServerFacts> {
  const [infoReply, timeReply, persistence] = await Promise.all([
    redis.send(['INFO']),
    redis.send(['TIME']),
    readPersistence(redis),
  ]);
  const info = parseInfo(textOfReply(infoReply) ?? '');
  const [seconds, micros] = listOfReply(timeReply).map(textOfReply);
  return {
    version: info.get('redis_version') ?? '',
    runId: info.get('run_id') ?? '',
    timeMicros: Number(seconds) * 1_000_000 + Number(micros) + shiftMicros,
    maxmemoryPolicy: info.get('maxmemory_policy') ?? '',
    maxmemoryBytes: Number(info.get('maxmemory') ?? 0),
    persistence,
    role: info.get('role') ?? '',
    connectedReplicas: Number(info.get('connected_slaves') ?? 0),
  };
}

async function readPersistence(redis: Sends): Promise<ServerFacts['persistence']> {
  try {
    const read = async (name: string) => textOfReply(listOfReply(await redis.send(['CONFIG', 'GET', name]))[1]);
    const [appendonly, appendfsync, save] = await Promise.all(['appendonly', 'appendfsync', 'save'].map(read));
    if (appendonly === undefined || appendfsync === undefined || save === undefined) return undefined;
    return { appendonly: appendonly === 'yes', appendfsync, save };
  } catch (error) {
    if (error instanceof Error && /^(?:NOPERM|ERR)\b/.test(error.message)) return undefined;
    throw error;
  }
}

import { LatchkeyError } from '@latchkey/client';
import type { RedisPlace } from '../../config/redis-settings.ts';
import { describePlace } from '../../shared/redis/error.ts';
import type { Durability } from '../log.ts';
import type { ServerFacts } from './redis-store.ts';

const VERSION_MIN = [6, 2] as const;

/** What a log can't be kept by. @throws LatchkeyError `config-invalid` */
export function checkServer(facts: ServerFacts, place: RedisPlace): void {
  const where = describePlace(place);
  const [major = 0, minor = 0] = facts.version.split('.').map(Number);
  if (major < VERSION_MIN[0] || (major === VERSION_MIN[0] && minor < VERSION_MIN[1])) {
    throw invalid(
      `${where} has version ${facts.version}; the log needs Redis 6.2 or newer, Valkey or KeyDB.`,
      'log.url',
    );
  }
  if (facts.maxmemoryBytes > 0 && facts.maxmemoryPolicy.startsWith('allkeys-')) {
    throw invalid(
      `${where} evicts any key when it is full (maxmemory-policy ${facts.maxmemoryPolicy}), the log's own too; set noeviction, or a volatile- policy.`,
      'log.url',
    );
  }
}

export function durabilityOf({ persistence }: ServerFacts, replicasMin: number): Durability {
  const replicas = replicasMin === 0 ? '' : ` An answered write is on ${replicasMin} replicas too (log.wait).`;
  const say = (kind: Durability['persistence'], means: string): Durability => ({
    persistence: kind,
    means: means + replicas,
  });
  if (persistence === undefined)
    return say(
      'unknown',
      'This user may not read the settings of the Redis, so what it loses in a crash is not known.',
    );
  const { appendfsync, appendonly, save } = persistence;
  if (appendonly && appendfsync === 'always')
    return say('every-write', 'A crash of the Redis loses nothing that was answered.');
  if (appendonly && appendfsync !== 'everysec')
    return say('snapshots', 'A crash of its machine loses what its kernel had not written, up to half a minute.');
  if (appendonly)
    return say('every-second', 'A crash of its machine loses about the last second of what was answered.');
  if (save !== '') return say('snapshots', 'A crash of the Redis loses what was answered since its last snapshot.');
  return say('none', 'A restart of the Redis loses everything; set appendonly yes to keep it.');
}

function invalid(message: string, field: string): LatchkeyError {
  return new LatchkeyError('config-invalid', message, { field });
}

import { LatchkeyError, quote } from '@latchkey/client';
import type { RedisPlace } from '../../config/redis-settings.ts';
import { describePlace, redisError, replyCode } from '../../shared/redis/error.ts';

/** Redis 6.2 says ERR for whatever a script met, with the reply of the command in its text. */
const IN_SCRIPT = /@user_script: ?\d+: -?([A-Z][A-Z0-9]+) /;
const NOT_PERMITTED = /^NOPERM |ACL failure in script|the user executing the script can't/i;
const A_KEY = /\bkeys?\b/;

/** The first word of the reply, also where a script met it. */
export function storeReplyCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if (NOT_PERMITTED.test(error.message)) return 'NOPERM';
  const code = replyCode(error);
  return code === 'ERR' ? (IN_SCRIPT.exec(error.message)?.[1] ?? code) : code;
}

/** Whether it is a key, and not a command, that the user lacks. */
export function isKeyRefused(error: unknown): boolean {
  return error instanceof Error && storeReplyCode(error) === 'NOPERM' && A_KEY.test(error.message);
}

export interface ErrorPlace {
  readonly place: RedisPlace;
  /** Of the log's own keys. */
  readonly prefix: string;
}

/** Whatever a call met, as what its caller is told. Nothing that the server said, or was sent, is told on. */
export function storeError(error: unknown, { place, prefix }: ErrorPlace, doing: string): LatchkeyError {
  if (error instanceof LatchkeyError) return error;
  const code = storeReplyCode(error);
  const where = describePlace(place);
  const cause = { cause: error };
  if (code === 'NOPERM') {
    const message = isKeyRefused(error)
      ? `${where} does not permit this user a key (${doing}). Its ACL needs ~${prefix}* and every key that is written.`
      : `${where} does not permit this user a command (${doing}). Its ACL needs +@read +@write +@scripting +info +time +wait.`;
    return new LatchkeyError('config-invalid', message, cause);
  }
  if (code === 'WRONGTYPE') {
    const message = `A key below ${quote(prefix)} at ${where} is not of the type that the log keeps there (${doing}). Find out who wrote it and delete it, or set log.name to another.`;
    return new LatchkeyError('config-invalid', message, cause);
  }
  const isInScript = code !== undefined && code !== replyCode(error);
  return redisError(isInScript ? new Error(`${code} `, cause) : error, place, doing);
}

/** A replica may not be written, and what it lacks of its primary nobody knows: as the replica itself would say of a write. */
export function refuseReplica(role: string | undefined): void {
  if (role === 'slave') throw new Error('READONLY it is a replica');
}

/** What the rehearsal found. */
export function commandsRefused(commands: readonly string[], place: RedisPlace): LatchkeyError {
  const names = commands.map((command) => `+${command.toLowerCase()}`).join(' ');
  const message = `${describePlace(place)} does not permit this user all commands that the log needs; add ${names} to its ACL.`;
  return new LatchkeyError('config-invalid', message);
}

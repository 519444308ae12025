import type { Refusal } from '../../commands/command.ts';
import { refuseKey } from '../../shared/key.ts';
import { isRefusal } from '../../shared/refusal.ts';
import { type Call, CommandError, NOT_AN_INTEGER } from './call.ts';
import { errorText } from './error-reply.ts';

const INTEGER = /^(?:0|-?[1-9][0-9]{0,18})$/;
/** Beyond it Redis can't count either. */
const TIME_MS_MAX = 2 ** 63;

/** @throws CommandError where it can't be a key here */
export function keyAt({ args, core }: Call, index: number): string {
  const key = args.text(index);
  if (key === undefined) throw new CommandError('ERR the key is not UTF-8, which keys are here (key-invalid)');
  const refusal = refuseKey(key, core.settings.limits.keyBytesMax);
  if (refusal !== undefined) throw new CommandError(errorText(refusal));
  return key;
}

/** As `keyAt` for something that is only looked for: no entry has a key that can't be. */
export function soughtKeyAt(call: Call, index: number): string | undefined {
  const key = call.args.text(index);
  return key !== undefined && refuseKey(key, call.core.settings.limits.keyBytesMax) === undefined ? key : undefined;
}

export function keysFrom(call: Call, first: number): string[] {
  const keys: string[] = [];
  for (let index = first; index < call.args.count; index += 1) keys.push(keyAt(call, index));
  return keys;
}

/** @throws CommandError */
export function utf8At({ args }: Call, index: number, what: string): string {
  const text = args.text(index);
  if (text === undefined) throw new CommandError(`ERR the ${what} is not UTF-8, which it is here (invalid-utf8)`);
  return text;
}

/** @throws CommandError */
export function integerAt({ args }: Call, index: number): number {
  const text = args.latin1(index);
  if (!INTEGER.test(text)) throw new CommandError(NOT_AN_INTEGER);
  const value = BigInt(text);
  if (BigInt.asIntN(64, value) !== value) throw new CommandError(NOT_AN_INTEGER);
  return Number(value);
}

export function wordAt({ args }: Call, index: number): string {
  return args.latin1(index).toUpperCase();
}

export type TimeUnit = 'EX' | 'PX' | 'EXAT' | 'PXAT';

export function isTimeUnit(word: string): word is TimeUnit {
  return word === 'EX' || word === 'PX' || word === 'EXAT' || word === 'PXAT';
}

/** When something ends: in so long, or at a moment. */
export type Ending = { readonly ttlMicros: number } | { readonly expires: number };

/** What may lie in the past. @throws CommandError */
export function endingAt(call: Call, index: number, unit: TimeUnit, command: string): Ending {
  const given = integerAt(call, index);
  const ms = unit === 'EX' || unit === 'EXAT' ? given * 1000 : given;
  const isMoment = unit === 'EXAT' || unit === 'PXAT';
  if (Math.abs(ms) >= TIME_MS_MAX) throw new CommandError(`ERR invalid expire time in '${command}' command`);
  return isMoment ? { expires: ms * 1000 } : { ttlMicros: ms * 1000 };
}

/** As `endingAt`, where Redis takes nothing but a time above 0; a moment that has passed is taken. */
export function positiveEndingAt(call: Call, index: number, unit: TimeUnit, command: string): Ending {
  if (integerAt(call, index) <= 0) throw new CommandError(`ERR invalid expire time in '${command}' command`);
  return endingAt(call, index, unit, command);
}

export function orThrow<T extends object>(value: T | Refusal): T {
  if (isRefusal(value)) throw new CommandError(errorText(value));
  return value;
}

import { readable } from './row.ts';

/** No log ever has this version: the epoch's first offset is 1. */
const NEVER = ',"ifVersion":"0000.0"}';
const CONDITIONAL_OPS = ['put', 'merge', 'remove'];
/** With one of these beside it, the condition would be refused itself, or the answer be that of the first time. */
const STANDS_IN_THE_WAY = ['ifVersion', 'ifAbsent', 'ifPresent', 'idempotencyKey'];
const ALWAYS_CARRIED_OUT = ['expire', 'removeMatching'];

/**
 * The same command under a condition that never holds: refused where it would be refused, and otherwise without effect. One that
 * nobody can read is its own question. Undefined where asking would carry it out.
 */
export function questionOf(command: string): string | undefined {
  let fields: Readonly<Record<string, unknown>>;
  try {
    fields = JSON.parse(readable(command)) as Readonly<Record<string, unknown>>;
  } catch {
    return command;
  }
  const op = String(fields.op);
  if (ALWAYS_CARRIED_OUT.includes(op)) return undefined;
  if (!CONDITIONAL_OPS.includes(op)) return command;
  if (STANDS_IN_THE_WAY.some((name) => Object.hasOwn(fields, name))) return undefined;
  return `${command.slice(0, command.lastIndexOf('}'))}${NEVER}`;
}

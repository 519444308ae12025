import { type ErrorCode, quote } from '@latchkey/client';
import type { Refusal } from '../commands/command.ts';

/** Makes a refusal. The message is for the sender: what happened, with what value, what to do next. `limit` in its setting's unit. */
export function refuse(code: ErrorCode, message: string, field?: string, limit?: number): Refusal {
  if (limit !== undefined)
    return { outcome: 'refused', code, message, ...(field === undefined ? {} : { field }), limit };
  return field === undefined ? { outcome: 'refused', code, message } : { outcome: 'refused', code, message, field };
}

export function isRefusal(value: object): value is Refusal {
  return 'outcome' in value && value.outcome === 'refused';
}

/** Names any foreign value in a message, in bounded time: a short scalar is quoted, a container only named. */
export function nameValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return String(value);
  if (typeof value === 'string') return quote(value.length > 64 ? value.slice(0, 64) : value);
  return Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`;
}

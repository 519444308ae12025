import type { Refusal } from '../commands/command.ts';
import type { Limits } from '../config/settings.ts';
import { describeFault, type JsonFault } from '../shared/json-grammar.ts';
import { textOf } from '../shared/payload.ts';
import { refuse } from '../shared/refusal.ts';

/** What a format is bounded by; `settings.limits` is one. A message makes at most `pendingCommandsMax` commands. */
export type FormatLimits = Pick<Limits, 'keyBytesMax' | 'valueBytesMax' | 'pendingCommandsMax'>;

/** The text of a message, without the byte order mark that some tools put before it; or `invalid-utf8`. */
export function messageText(body: Buffer): string | Refusal {
  const text = textOf(body);
  if (text === undefined) return refuse('invalid-utf8', 'The message is not UTF-8; send it in UTF-8.');
  return withoutMark(text);
}

export function withoutMark(text: string): string {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** The refusal of a text that should have been `wanted`, e.g. `a JSON object`. Positions count from `from`. */
export function refuseText(text: string, fault: JsonFault, wanted: string, from = 0, to = text.length): Refusal {
  if (fault.kind === 'wrong-shape') return refuse('event-invalid', `The message is valid JSON, but not ${wanted}.`);
  const found = describeFault(text, fault, from, to);
  return refuse('invalid-json', `The message is not JSON: ${found}; it must be ${wanted}.`);
}

import type { Command, Refusal } from '../commands/command.ts';
import type { CommandFormat, DecodedCommands } from '../gateways/gateway.ts';
import { describeFault, skipSpace } from '../shared/json-grammar.ts';
import { textOf } from '../shared/payload.ts';
import { refuse } from '../shared/refusal.ts';
import { decodeCommand, decodeCommandAt } from './command.ts';
import { firstObjectEnd, isFault, scanElements } from './json-text.ts';
import { type FormatLimits, withoutMark } from './message-text.ts';

const NDJSON_TYPE = /^\s{0,9}application\/(?:x-)?(?:ndjson|jsonl|jsonlines)\b/i;
const LINE_BREAK = 0x0a;

/** The format `command`: WIRE's commands as a JSON array, a single object, or NDJSON. */
export function commandFormat(limits: FormatLimits): CommandFormat {
  return {
    kind: 'command',
    decode(message) {
      const decoded = decodeCommands(message.body, limits, message.headers?.['content-type']);
      return 'form' in decoded ? decoded.commands : [decoded];
    },
    decodeBody: (body, contentType) => decodeCommands(body, limits, contentType),
    decodeFrame: (frame, ignored) => decodeCommand(frame, limits, ignored),
  };
}

/**
 * The commands of a body, in order. One bad element or line is a refusal in its place; blank lines are skipped. A refusal of the
 * whole is given where nothing has a place: `invalid-json`, `invalid-utf8`, or `batch-too-big` for too many commands.
 */
export function decodeCommands(body: Buffer, limits: FormatLimits, contentType?: string): DecodedCommands | Refusal {
  const utf8 = textOf(body);
  // Read as latin1, indexes into text and bytes are the same, so a line that is not UTF-8 can be told from the others.
  const text = utf8 === undefined ? body.toString('latin1') : withoutMark(utf8);
  const isNdjson = contentType !== undefined && NDJSON_TYPE.test(contentType);
  const form = isNdjson ? 'ndjson' : formOf(text);
  if (form === undefined) {
    return refuse('invalid-json', 'The body is empty; send a JSON array of commands, one command, or one per line.');
  }
  if (form === 'ndjson') return decodeLines(text, utf8 === undefined ? body : undefined, limits);
  if (utf8 === undefined) return refuse('invalid-utf8', 'The body is not UTF-8; send it in UTF-8.');
  return form === 'array' ? decodeArray(text, limits) : decodeObject(text, limits);
}

function decodeObject(text: string, limits: FormatLimits): DecodedCommands {
  return { form: 'object', commands: [decodeCommandAt(text, 0, text.length, limits)] };
}

function decodeArray(text: string, limits: FormatLimits): DecodedCommands | Refusal {
  const elements = scanElements(text, 0, text.length, limits.pendingCommandsMax);
  if (isFault(elements)) {
    if (elements.kind === 'too-many') return refuseCount(limits);
    return refuse('invalid-json', `The body is not JSON: ${describeFault(text, elements)}; nothing of it was taken.`);
  }
  const commands = elements.map(({ start, end }, index) =>
    placed(decodeCommandAt(text, start, end, limits), 'Command', index + 1),
  );
  return { form: 'array', commands };
}

function decodeLines(text: string, bytes: Buffer | undefined, limits: FormatLimits): DecodedCommands | Refusal {
  const commands: (Command | Refusal)[] = [];
  let line = 0;
  for (let start = 0; start < text.length; ) {
    const found = text.indexOf('\n', start);
    const end = found < 0 ? text.length : found;
    line += 1;
    if (skipSpace(text, start, end) < end) {
      if (commands.length >= limits.pendingCommandsMax) return refuseCount(limits);
      const decoded =
        bytes === undefined
          ? decodeCommandAt(text, start, end, limits)
          : decodeBytes(bytes.subarray(start, end), line === 1, limits);
      commands.push(placed(decoded, 'Line', line));
    }
    start = end + 1;
  }
  return { form: 'ndjson', commands };
}

function decodeBytes(bytes: Buffer, isFirst: boolean, limits: FormatLimits): Command | Refusal {
  const text = textOf(bytes);
  if (text === undefined) return refuse('invalid-utf8', 'The command is not UTF-8; send it in UTF-8.');
  const line = isFirst ? withoutMark(text) : text;
  return decodeCommandAt(line, 0, line.length, limits);
}

// Nobody has to name the form. Several lines are NDJSON when the first or the second of them is a whole object by itself; so one
// object may span lines, and one broken line does not hide the others.
function formOf(text: string): DecodedCommands['form'] | undefined {
  const start = skipSpace(text, 0, text.length);
  if (start === text.length) return undefined;
  if (text.charAt(start) === '[') return 'array';
  const end = firstObjectEnd(text, start);
  if (end !== undefined) {
    if (skipSpace(text, end, text.length) === text.length) return 'object';
    if (isLineEnd(text, end)) return 'ndjson';
  }
  const second = secondLine(text, start);
  if (second === undefined) return 'object';
  const secondEnd = firstObjectEnd(text, second);
  return secondEnd !== undefined && isLineEnd(text, secondEnd) ? 'ndjson' : 'object';
}

function secondLine(text: string, start: number): number | undefined {
  const lineBreak = text.indexOf('\n', start);
  if (lineBreak < 0) return undefined;
  const second = skipSpace(text, lineBreak + 1, text.length);
  return second < text.length ? second : undefined;
}

function isLineEnd(text: string, at: number): boolean {
  let next = at;
  while (text.charAt(next) === ' ' || text.charAt(next) === '\t' || text.charAt(next) === '\r') next += 1;
  return next >= text.length || text.charCodeAt(next) === LINE_BREAK;
}

function placed(decoded: Command | Refusal, place: 'Line' | 'Command', number: number): Command | Refusal {
  return 'outcome' in decoded ? { ...decoded, message: `${place} ${number}: ${decoded.message}` } : decoded;
}

function refuseCount(limits: FormatLimits): Refusal {
  const message = `The body has more than ${limits.pendingCommandsMax} commands; nothing of it was taken, send several bodies.`;
  return refuse('batch-too-big', message, undefined, limits.pendingCommandsMax);
}

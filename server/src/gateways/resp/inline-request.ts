/*
 * Redis's inline requests: arguments between blanks, in double quotes with escapes (`\n`, `\r`, `\t`, `\b`, `\a`, `\xff`), or in
 * single quotes where only `\'` is one.
 */

const QUOTE = 0x22;
const APOSTROPHE = 0x27;
const BACKSLASH = 0x5c;
const ESCAPES: Readonly<Record<string, number>> = { n: 0x0a, r: 0x0d, t: 0x09, b: 0x08, a: 0x07 };

/** The arguments of a line; undefined where its quotes don't balance. */
export function splitInline(line: Buffer): readonly Buffer[] | undefined {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    while (at < line.length && isBlank(line[at] as number)) at += 1;
    if (at >= line.length) return parts;
    const bytes: number[] = [];
    while (at < line.length && !isBlank(line[at] as number)) {
      const code = line[at] as number;
      if (code === QUOTE || code === APOSTROPHE) {
        const end = readQuoted(line, at + 1, code, bytes);
        if (end === undefined) return undefined;
        at = end;
        // A closing quote ends the argument.
        if (at < line.length && !isBlank(line[at] as number)) return undefined;
        break;
      }
      bytes.push(code);
      at += 1;
    }
    parts.push(Buffer.from(bytes));
  }
}

/** Behind the closing quote. */
function readQuoted(line: Buffer, start: number, quote: number, into: number[]): number | undefined {
  for (let at = start; at < line.length; at += 1) {
    const code = line[at] as number;
    if (code === quote) return at + 1;
    if (code !== BACKSLASH || at + 1 >= line.length) {
      into.push(code);
      continue;
    }
    const next = line[at + 1] as number;
    if (quote === APOSTROPHE) {
      if (next !== APOSTROPHE) {
        into.push(code);
        continue;
      }
      into.push(next);
      at += 1;
      continue;
    }
    const hex = line.toString('latin1', at + 2, at + 4);
    if (next === 0x78 && /^[0-9a-fA-F]{2}$/.test(hex)) {
      into.push(Number.parseInt(hex, 16));
      at += 3;
      continue;
    }
    into.push(ESCAPES[String.fromCharCode(next)] ?? next);
    at += 1;
  }
  return undefined;
}

function isBlank(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d) || code === 0;
}

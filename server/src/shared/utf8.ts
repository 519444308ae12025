/** Longer texts go through Node, whose call alone takes as long as writing so many characters here. */
const SHORT_MAX = 48;

/** Writes a text as UTF-8; the place after it. */
export function writeUtf8(text: string, into: Buffer, start: number): number {
  if (text.length > SHORT_MAX) return start + into.write(text, start, 'utf8');
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code > 0x7f) return start + into.write(text, start, 'utf8');
    into[start + index] = code;
  }
  return start + text.length;
}

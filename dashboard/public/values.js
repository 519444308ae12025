/** Values of entries as they were sent: numbers keep their digits, text is text, bytes are bytes. Nothing here knows the page. */

const isExact = typeof JSON.rawJSON === 'function';
const KEY = /^\{"op":"(?:put|remove|stale)","key":("(?:[^"\\]|\\.)*")/;
const STRINGIFY = { true: 'true', false: 'false' };

/** @typedef {{ kind: 'json', value: unknown } | { kind: 'text', text: string } | { kind: 'bytes', bytes: Uint8Array } | { kind: 'none' }} Content */

/** JSON whose numbers are kept as they are written, where the browser can tell. @param {string} text */
export function parseExact(text) {
  if (!isExact) return JSON.parse(text);
  return JSON.parse(text, (_name, value, context) =>
    typeof value === 'number' && context?.source !== undefined && context.source !== String(value)
      ? JSON.rawJSON(context.source)
      : value,
  );
}

/** The key of a change's JSON text, without parsing its value. @param {string} data @returns {string} */
export function keyOfChange(data) {
  const found = KEY.exec(data);
  return found === null ? JSON.parse(data).key : JSON.parse(found[1]);
}

/** What an entry, a change or a dead letter carries. @param {any} holder @returns {Content} */
export function contentOf(holder) {
  if (holder === undefined || !Object.hasOwn(holder, 'value')) return { kind: 'none' };
  const { contentType, encoding, value } = holder;
  if (encoding === 'base64') return { kind: 'bytes', bytes: bytesOf(value) };
  // Text is shown as the text it is; a JSON string keeps its quotes.
  if (typeof value === 'string' && contentType !== undefined && !/json/i.test(contentType))
    return { kind: 'text', text: value };
  return { kind: 'json', value };
}

function bytesOf(base64) {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index += 1) bytes[index] = binary.charCodeAt(index);
  return bytes;
}

/** A number that `parseExact` kept, or any other scalar, as JSON writes it. */
export function scalarText(value) {
  if (isNumberText(value)) return value.rawJSON;
  return STRINGIFY[value] ?? JSON.stringify(value);
}

/** Whether it stands for a number whose digits were kept. */
export function isNumberText(value) {
  return isExact && typeof value === 'object' && value !== null && JSON.isRawJSON(value);
}

/** Whether it has parts. */
export function isContainer(value) {
  return typeof value === 'object' && value !== null && !isNumberText(value);
}

/** On one line, of at most `lengthMax` characters. The rest of a big value is not even looked at. */
export function previewText(content, lengthMax) {
  if (content.kind === 'none') return '';
  if (content.kind === 'text') return cut(content.text, lengthMax);
  if (content.kind === 'bytes')
    return `${sizeText(content.bytes.length)} of bytes: ${hexOf(content.bytes.slice(0, 16))}`;
  const out = { text: '', lengthMax };
  write(content.value, out);
  return cut(out.text, lengthMax);
}

function cut(text, lengthMax) {
  return text.length > lengthMax ? `${text.slice(0, lengthMax)}…` : text;
}

function write(value, out) {
  if (out.text.length > out.lengthMax) return;
  if (typeof value === 'string') {
    // One more than is shown, so that what is cut off is seen to be.
    out.text += JSON.stringify(value.length > out.lengthMax ? value.slice(0, out.lengthMax + 1) : value);
  } else if (!isContainer(value)) out.text += scalarText(value);
  else if (Array.isArray(value)) writeAll(value, out, '[', ']', (item) => write(item, out));
  else
    writeAll(Object.keys(value), out, '{', '}', (name) => {
      out.text += `${JSON.stringify(name)}:`;
      write(value[name], out);
    });
}

function writeAll(items, out, open, close, writeOne) {
  out.text += open;
  for (const [index, item] of items.entries()) {
    if (out.text.length > out.lengthMax) return;
    if (index > 0) out.text += ',';
    writeOne(item);
  }
  out.text += close;
}

/** All of it, over several lines where it has parts. @param {Content} content */
export function wholeText(content) {
  if (content.kind === 'none') return '';
  if (content.kind === 'text') return content.text;
  if (content.kind === 'bytes') return hexOf(content.bytes);
  return JSON.stringify(content.value, undefined, 2);
}

/** `00 1f a0`. @param {Uint8Array} bytes */
export function hexOf(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

/** Rows of sixteen: offset, bytes, what is printable of them. @param {Uint8Array} bytes @param {number} bytesMax */
export function hexDump(bytes, bytesMax) {
  const lines = [];
  for (let at = 0; at < Math.min(bytes.length, bytesMax); at += 16) {
    const row = bytes.slice(at, Math.min(at + 16, bytesMax));
    const printable = Array.from(row, (byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '·')).join('');
    lines.push(`${at.toString(16).padStart(6, '0')}  ${hexOf(row).padEnd(47)}  ${printable}`);
  }
  return lines.join('\n');
}

/** `812 B`, `3.4 KiB`, `1.2 MiB`. @param {number} bytes */
export function sizeText(bytes) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  let size = bytes;
  while (size >= 1024 && at < units.length - 1) {
    size /= 1024;
    at += 1;
  }
  return `${at === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${units[at]}`;
}

/** Bytes of the value as JSON text, text or bytes, whichever it is; counted without making more of it than one text. */
export function sizeOf(content) {
  if (content.kind === 'none') return 0;
  if (content.kind === 'bytes') return content.bytes.length;
  return new Blob([content.kind === 'text' ? content.text : JSON.stringify(content.value)]).size;
}

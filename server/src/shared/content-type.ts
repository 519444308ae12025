import type { Refusal } from '../commands/command.ts';
import { nameValue, refuse } from './refusal.ts';

export interface ContentType {
  /** Lower case, without parameters, e.g. `application/json`. */
  readonly mediaType: string;
  /** Lower case; undefined where none is named. */
  readonly charset: string | undefined;
  /** Whether there are parameters other than a charset. */
  readonly hasMore: boolean;
}

const LENGTH_MAX = 255;
// RFC 9110 §8.3.1: token "/" token, then parameters. Each part is read by itself, so nothing backtracks across parts.
const MEDIA_TYPE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+\/[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const PRINTABLE = /^[\x20-\x7e]*$/;

/** Reads a media type; undefined for what could not be sent back as a header. */
export function parseContentType(text: string): ContentType | undefined {
  if (text.length > LENGTH_MAX || !PRINTABLE.test(text)) return undefined;
  const end = text.indexOf(';');
  const mediaType = (end < 0 ? text : text.slice(0, end)).trim().toLowerCase();
  if (!MEDIA_TYPE.test(mediaType)) return undefined;
  let charset: string | undefined;
  let hasMore = false;
  for (const parameter of end < 0 ? [] : text.slice(end + 1).split(';')) {
    const [name = '', value = ''] = parameter.split('=', 2).map((part) => part.trim());
    if (name.toLowerCase() === 'charset') charset = value.replaceAll('"', '').toLowerCase();
    else if (name !== '') hasMore = true;
  }
  return { mediaType, charset, hasMore };
}

/** `application/json` and everything that ends in `+json`. */
export function isJsonType(mediaType: string): boolean {
  return mediaType === 'application/json' || mediaType.endsWith('+json');
}

export function isUtf8Charset(charset: string | undefined): boolean {
  return charset === undefined || charset === 'utf-8' || charset === 'utf8' || charset === 'us-ascii';
}

export function refuseContentType(text: unknown, field: string): Refusal {
  return refuse('invalid-request', `${field} takes a media type like text/plain, but got ${nameValue(text)}.`, field);
}

import { writeUtf8 } from '../../shared/utf8.ts';

/**
 * 64 bits by which a value under a key is recognised as the one that was written there. It tells accidents apart, no more: whoever
 * may write to the Redis needs no forged digest.
 */
export interface Digest {
  readonly low: number;
  readonly high: number;
}

export const NO_DIGEST: Digest = { low: 0, high: 0 };

const SEED_LOW = 0x2f0b4c1d;
const SEED_HIGH = 0x71c3a9e5;

/** Two MurmurHash3 (32 bits, of different constants) over the same words. */
export function digestOf(bytes: Buffer, start = 0, end = bytes.length, seed: Digest = NO_DIGEST): Digest {
  let low = SEED_LOW ^ seed.low;
  let high = SEED_HIGH ^ seed.high;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const word =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    low = mixLow(low, word);
    high = mixHigh(high, word);
  }
  let rest = 0;
  for (let shift = 0; at < end; at += 1, shift += 8) rest |= (bytes[at] as number) << shift;
  low = finish(mixLow(low, rest) ^ (end - start));
  high = finish(mixHigh(high, rest) ^ (end - start));
  return { low, high };
}

/** Of a hash's fields, in whatever order. */
export function digestOfFields(fields: Iterable<readonly [field: string | Buffer, value: string | Buffer]>): Digest {
  let low = 0;
  let high = 0;
  for (const [field, value] of fields) {
    const name = bytesOf(field);
    const content = bytesOf(value);
    const pair = digestOf(content, 0, content.length, digestOf(name));
    low = (low + pair.low) >>> 0;
    high = (high + pair.high) >>> 0;
  }
  return { low, high };
}

function bytesOf(text: string | Buffer): Buffer {
  if (typeof text !== 'string') return text;
  const bytes = Buffer.allocUnsafe(text.length * 3);
  return bytes.subarray(0, writeUtf8(text, bytes, 0));
}

function mixLow(hash: number, word: number): number {
  const mixed = Math.imul(rotate(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
  return (Math.imul(rotate(hash ^ mixed, 13), 5) + 0xe6546b64) | 0;
}

function mixHigh(hash: number, word: number): number {
  const mixed = Math.imul(rotate(Math.imul(word, 0x239b961b), 16), 0xab0e9789);
  return (Math.imul(rotate(hash ^ mixed, 19), 5) + 0x561ccd1b) | 0;
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function finish(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

import type { ControlEvent } from '@latchkey/client';
import type { Codec } from '../feed/feed.ts';
import type { Change } from '../shared/change.ts';
import { changeJson } from '../shared/encode-change.ts';

/*
 * Whole WebSocket frames (RFC 6455 §5.2), header included and unmasked as a server's are: what a group shares is built once and
 * written to every raw socket as it is. Nothing is compressed and no message is split, so frames may follow each other in any
 * order, also those that `ws` writes itself.
 */

const TEXT = 0x81;
/** An unanswered one finds a peer that went without a word. */
export const PING_FRAME = Buffer.from([0x89, 0x00]);

/** One text frame. */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const header = length < 126 ? 2 : length < 65536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(header + length);
  frame[0] = TEXT;
  if (header === 2) frame[1] = length;
  else if (header === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeUInt32BE(Math.floor(length / 2 ** 32), 2);
    frame.writeUInt32BE(length % 2 ** 32, 6);
  }
  frame.write(text, header);
  return frame;
}

/**
 * What a frame of this codec is to one watch among others on its connection: `live` is for every attached watch of the group,
 * `synced` attaches, `behind` detaches. `own`: changes, `reset` or `conflated`, which an attached watch is never given.
 */
export type FrameKind = 'live' | 'synced' | 'behind' | 'own' | 'other';

const LIVE = '{"ref":';
const SYNCED = '{"op":"synced"';
const KIND_LENGTH = SYNCED.length;
/** No other frame's first name begins with it: they are `op` and `id`. */
const LIVE_BYTE = LIVE.charCodeAt(2);

/** Reads the first bytes alone: it is asked for each frame and each connection that the frame goes to. */
export function frameKind(frame: Buffer): FrameKind {
  const start = payloadStart(frame);
  if (frame[start + 2] === LIVE_BYTE) return 'live';
  const head = frame.toString('latin1', start, start + KIND_LENGTH);
  if (head.startsWith('{"id":')) return 'own';
  if (head === SYNCED) return 'synced';
  if (head === '{"op":"behind"') return 'behind';
  return head === '{"op":"reset",' || head === '{"op":"conflat' ? 'own' : 'other';
}

/** The group that a `synced` frame attaches to. */
export function refOf(synced: Buffer): string {
  const from = payloadStart(synced) + `${SYNCED},"ref":"`.length;
  return synced.toString('latin1', from, synced.indexOf('"', from));
}

/** A group's live frame for one watch alone. */
export function ownFrame(memberId: string, live: Buffer): Buffer {
  const text = live.toString('utf8', payloadStart(live));
  return textFrame(`{"id":${memberId}${text.slice(text.indexOf(','))}`);
}

/** Tells the client that group frames are no longer for this watch. */
export function behindFrame(memberId: string, position: string): Buffer {
  return textFrame(`{"op":"behind","id":${memberId},"position":"${position}"}`);
}

function payloadStart(frame: Buffer): number {
  const length = frame[1] as number;
  return length < 126 ? 2 : length === 126 ? 4 : 10;
}

function body(list: readonly Change[], positions: readonly string[], context: Parameters<Codec['live']>[2]): string {
  const { epochs, withValues } = context;
  let text = ',"changes":[';
  for (let index = 0; index < list.length; index += 1) {
    if (index > 0) text += ',';
    text += changeJson(list[index] as Change, epochs, withValues);
  }
  return `${text}],"position":"${positions.at(-1)}"}`;
}

function control(memberId: string, event: ControlEvent, ref: string): Buffer {
  const { op, ...data } = event;
  const rest = JSON.stringify(data).slice(1);
  if (op === 'synced') return textFrame(`${SYNCED},"ref":"${ref}","id":${memberId},${rest}`);
  const frame = textFrame(`{"op":"${op}","id":${memberId},${rest}`);
  // The answer to `watch` comes first, whatever the feed writes before `Feed.watch` returns.
  return op === 'opened'
    ? Buffer.concat([textFrame(`{"op":"watching","id":${memberId},"ref":"${ref}"}`), frame])
    : frame;
}

/** `memberId` is the client's id of the watch as JSON text: `1` or `"a"`. */
export const websocketCodec: Codec = {
  name: 'websocket',
  isShared: false,
  live: (list, positions, context) => textFrame(`${LIVE}"${context.ref}"${body(list, positions, context)}`),
  behind: (memberId, list, positions, context) => textFrame(`{"id":${memberId}${body(list, positions, context)}`),
  control: (memberId, event, context) => control(memberId, event, context.ref),
};

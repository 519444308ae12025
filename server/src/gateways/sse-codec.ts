import type { ControlEvent } from '@latchkey/client';
import type { Codec } from '../feed/feed.ts';
import type { Change } from '../shared/change.ts';
import { changeJson } from '../shared/encode-change.ts';

const EMPTY = Buffer.alloc(0);

function changes(list: readonly Change[], positions: readonly string[], context: Parameters<Codec['live']>[2]): Buffer {
  let text = '';
  for (let index = 0; index < list.length; index += 1) {
    // One line of data: changeJson writes line breaks between a value's tokens as spaces, and escapes all others.
    text += `id: ${positions[index]}\ndata: ${changeJson(list[index] as Change, context.epochs, context.withValues)}\n\n`;
  }
  return Buffer.from(text);
}

function control(event: ControlEvent): Buffer {
  switch (event.op) {
    // A watch has a connection to itself here, so it shares no frames that it could leave.
    case 'behind':
      return EMPTY;
    // It carries no place in the log: the id of the event before stays the one to resume from.
    case 'bye':
      return Buffer.from(`event: bye\ndata: ${JSON.stringify({ afterMs: event.afterMs })}\n\n`);
    default: {
      const { op, ...data } = event;
      // Whoever is cut off behind `conflated` resumes in front of it, or the changes it announces would be skipped.
      const id = event.op === 'conflated' ? event.from : event.position;
      return Buffer.from(`id: ${id}\nevent: ${op}\ndata: ${JSON.stringify(data)}\n\n`);
    }
  }
}

/**
 * Server-sent events: a change is an unnamed event, a control event a named one; the id is the position after it. What a group
 * shares and what one member gets are the same bytes.
 */
export const sseCodec: Codec = {
  name: 'sse',
  isShared: true,
  live: changes,
  behind: (_memberId, list, positions, context) => changes(list, positions, context),
  control: (_memberId, event) => control(event),
};

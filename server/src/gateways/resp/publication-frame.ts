import type { Publication } from '../../shared/channels.ts';
import { ReplyWriter } from './reply-writer.ts';

const scratch = new ReplyWriter();

/** A publication as its subscribers get it. */
export function encodePublication({ channel, message, pattern }: Publication, protocol: 2 | 3): Buffer {
  scratch.protocol = protocol;
  scratch.push(pattern === undefined ? 3 : 4);
  if (pattern === undefined) scratch.text('message');
  else {
    scratch.text('pmessage');
    scratch.text(pattern);
  }
  scratch.text(channel);
  scratch.bulk(message);
  return scratch.take();
}

/** Makes it once for all who listen under the same name: they are told one after the other. */
export class PublicationFrames {
  #publication: Publication | undefined;
  #frames: [Buffer | undefined, Buffer | undefined] = [undefined, undefined];

  of(publication: Publication, protocol: 2 | 3): Buffer {
    if (this.#publication !== publication) {
      this.#publication = publication;
      this.#frames = [undefined, undefined];
    }
    const at = protocol - 2;
    const frame = this.#frames[at] ?? encodePublication(publication, protocol);
    this.#frames[at] = frame;
    return frame;
  }
}

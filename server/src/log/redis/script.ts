import { createHash } from 'node:crypto';

/** A script and the digest that it is known by on a server. */
export interface Script {
  readonly text: string;
  readonly digest: string;
}

export function script(text: string): Script {
  return { text, digest: createHash('sha1').update(text).digest('hex') };
}

import { LatchkeyError, parseVersion, quote, type Version } from '@latchkey/client';
import type { FastifyRequest } from 'fastify';
import { isLive } from '../shared/change.ts';
import type { View } from '../view/view.ts';
import { headerOf } from './rest-request.ts';

/** What `If-Match` and `If-None-Match` ask of a write. `impossible`: no entry can hold it, so it is a conflict from the start. */
export type Precondition =
  | { readonly kind: 'none' }
  | { readonly kind: 'version'; readonly version: Version }
  | { readonly kind: 'present' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'impossible' };

const NONE: Precondition = { kind: 'none' };
// RFC 9110 §8.8.3: opaque tags, weak ones included; a comma may stand inside the quotes.
const TAG = /\s*(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*(?:,|$)/y;
const LENGTH_MAX = 4096;
const SUFFIX = /-[a-z]+$/;

/** The tags of a list, weak or not, without quotes. @throws LatchkeyError `invalid-request` */
export function entityTags(text: string, field: string): string[] {
  const tags: string[] = [];
  TAG.lastIndex = 0;
  let at = 0;
  while (at < text.length) {
    TAG.lastIndex = at;
    const match = TAG.exec(text);
    if (match === null || text.length > LENGTH_MAX) {
      const message = `${field} takes * or ETags in quotes like "k3x9.1042", but got ${quote(text)}.`;
      throw new LatchkeyError('invalid-request', message, { field });
    }
    tags.push(match[2] as string);
    at = TAG.lastIndex;
  }
  return tags;
}

/** Whether a GET's `If-None-Match` names what would be answered (weak comparison). @throws LatchkeyError `invalid-request` */
export function isNotModified(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch === etag || ifNoneMatch.trim() === '*') return true;
  return entityTags(ifNoneMatch, 'if-none-match').includes(etag.slice(1, -1));
}

/** @throws LatchkeyError `invalid-request` */
export function preconditionOf(request: FastifyRequest, key: string, view: View): Precondition {
  const ifMatch = headerOf(request, 'if-match');
  const ifNoneMatch = headerOf(request, 'if-none-match');
  if (ifMatch === undefined && ifNoneMatch === undefined) return NONE;
  if (ifMatch !== undefined && ifNoneMatch !== undefined) {
    throw new LatchkeyError('invalid-request', 'A write takes If-Match or If-None-Match, not both.', {
      field: 'if-match',
    });
  }
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch.trim() === '*') return { kind: 'absent' };
    const message = `If-None-Match takes only * on a write, but got ${quote(ifNoneMatch)}; use If-Match to ask for a version.`;
    throw new LatchkeyError('invalid-request', message, { field: 'if-none-match' });
  }
  if (ifMatch?.trim() === '*') return { kind: 'present' };
  const version = bestVersion(entityTags(ifMatch as string, 'if-match'), key, view);
  return version === undefined ? { kind: 'impossible' } : { kind: 'version', version };
}

// Of several tags the one that the entry has now is asked for; the log decides whether it still holds.
function bestVersion(tags: readonly string[], key: string, view: View): Version | undefined {
  const versions = tags.map(versionOfTag).filter((version) => version !== undefined);
  const entry = view.get(key);
  const current =
    entry !== undefined && isLive(entry, view.nowMicros())
      ? versions.find(
          ({ epoch, offset, partition }) =>
            partition === entry.partition && offset >= entry.valueOffset && view.epochs.holds(epoch, partition, offset),
        )
      : undefined;
  return current ?? versions[0];
}

/** A tag that is no version of ours matches nothing, as the RFC has it. */
function versionOfTag(tag: string): Version | undefined {
  try {
    return parseVersion(tag.replace(SUFFIX, ''));
  } catch {
    return undefined;
  }
}

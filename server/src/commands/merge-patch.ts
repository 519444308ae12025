import { LatchkeyError } from '@latchkey/client';
import { isSameJson, type JsonMember, jsonMembers } from '../shared/json-members.ts';

/** A patch may nest objects this deep. Each level reads the texts below it again, so this bounds what one merge costs. */
export const PATCH_DEPTH_MAX = 64;

/**
 * Merges a patch into a JSON value by RFC 7386, text to text: members and numbers that the patch doesn't touch keep their exact
 * text, and a patch that changes nothing gives the target itself back. Undefined as target: there is no value yet. Both texts
 * are taken to be valid JSON; where a name is repeated, the last one counts.
 *
 * @throws LatchkeyError `invalid-request` for a patch deeper than `PATCH_DEPTH_MAX`, `invalid-json` where a text can't be JSON
 * @example mergePatch('{"a":1.0,"b":2}', '{"b":null,"c":3}') // {"a":1.0,"c":3}
 */
export function mergePatch(target: string | undefined, patch: string): string {
  return merge(target, patch, 0);
}

function merge(target: string | undefined, patch: string, depth: number): string {
  const wanted = jsonMembers(patch);
  if (wanted === undefined) return target !== undefined && isSameJson(target, patch) ? target : patch.trim();
  if (depth === PATCH_DEPTH_MAX) {
    throw new LatchkeyError(
      'invalid-request',
      `The merge patch nests objects deeper than ${PATCH_DEPTH_MAX} levels. Merge it in parts, or put the whole value.`,
      { field: 'value', limit: PATCH_DEPTH_MAX },
    );
  }
  const own = target === undefined ? undefined : jsonMembers(target);
  if (target === undefined || own === undefined) return fresh(patch, wanted, depth);
  return mergeMembers(target, own, patch, wanted, depth);
}

function mergeMembers(
  target: string,
  own: readonly JsonMember[],
  patch: string,
  wanted: readonly JsonMember[],
  depth: number,
): string {
  // Maps, not objects: a member may be called `__proto__`.
  const open = byName(wanted);
  const lasting = byName(own);
  const parts: string[] = [];
  let isChanged = false;
  for (const member of own) {
    const change = open.get(member.name);
    if (change === undefined) {
      parts.push(target.slice(member.start, member.end));
      continue;
    }
    const value = patch.slice(change.valueStart, change.end);
    if (value === 'null' || lasting.get(member.name) !== member) {
      isChanged = true;
      continue;
    }
    const before = target.slice(member.valueStart, member.end);
    const after = merge(before, value, depth + 1);
    if (after !== before) isChanged = true;
    parts.push(target.slice(member.start, member.valueStart) + after);
  }
  for (const [name, change] of open) {
    const value = patch.slice(change.valueStart, change.end);
    if (value === 'null' || lasting.has(name)) continue;
    parts.push(patch.slice(change.start, change.valueStart) + merge(undefined, value, depth + 1));
    isChanged = true;
  }
  return isChanged ? `{${parts.join(',')}}` : target;
}

/** The patch applied to nothing: itself, without the members that are null, at every depth. */
function fresh(patch: string, wanted: readonly JsonMember[], depth: number): string {
  const lasting = byName(wanted);
  const parts: string[] = [];
  let isWhole = lasting.size === wanted.length;
  for (const member of lasting.values()) {
    const value = patch.slice(member.valueStart, member.end);
    if (value === 'null') {
      isWhole = false;
      continue;
    }
    const after = merge(undefined, value, depth + 1);
    if (after !== value) isWhole = false;
    parts.push(patch.slice(member.start, member.valueStart) + after);
  }
  return isWhole ? patch.trim() : `{${parts.join(',')}}`;
}

function byName(members: readonly JsonMember[]): Map<string, JsonMember> {
  return new Map(members.map((member) => [member.name, member]));
}

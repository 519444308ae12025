import { LatchkeyError } from '@latchkey/client';
import { skipSpace } from '../shared/json-grammar.ts';
import { isObjectAt, isSameJson, type JsonMember, jsonMembers, jsonValueEnd } from '../shared/json-members.ts';

/** A patch may nest objects this deep: it is read recursively, and each level is a copy of what is below it. */
export const PATCH_DEPTH_MAX = 64;

/** A patch as it was read: its text, and by name what it says of each member where it is an object. */
interface Patch {
  readonly text: string;
  /** Undefined: the value replaces what it finds. Of a repeated name the last one counts. */
  readonly members: ReadonlyMap<string, PatchMember> | undefined;
  /** What it makes of nothing: itself without the members that are null, at every depth. */
  readonly fresh: string;
  readonly end: number;
}

interface PatchMember {
  /** The name as written, up to where its value begins. */
  readonly label: string;
  readonly value: Patch;
}

/**
 * Merges a patch into a JSON value by RFC 7386, text to text: members and numbers that the patch doesn't touch keep their exact
 * text, and a patch that changes nothing gives the target itself back. Undefined as target: there is no value yet. Both texts
 * are taken to be valid JSON; where a name is repeated, the last one counts. Each text is read once.
 *
 * @throws LatchkeyError `invalid-request` for a patch deeper than `PATCH_DEPTH_MAX`, `invalid-json` where a text can't be JSON
 * @example mergePatch('{"a":1.0,"b":2}', '{"b":null,"c":3}') // {"a":1.0,"c":3}
 */
export function mergePatch(target: string | undefined, patch: string): string {
  const wanted = readPatch(patch, valueStart(patch), 0);
  if (target === undefined) return wanted.fresh;
  const from = valueStart(target);
  const merged = mergeAt(target, from, wanted);
  return merged.text === target.slice(from, merged.end) ? target : merged.text;
}

function readPatch(source: string, from: number, depth: number): Patch {
  if (!isObjectAt(source, from)) {
    const end = jsonValueEnd(source, from);
    const text = source.slice(from, end);
    return { text, members: undefined, fresh: text, end };
  }
  if (depth === PATCH_DEPTH_MAX) {
    throw new LatchkeyError(
      'invalid-request',
      `The merge patch nests objects deeper than ${PATCH_DEPTH_MAX} levels. Merge it in parts, or put the whole value.`,
      { field: 'value', limit: PATCH_DEPTH_MAX },
    );
  }
  const values: Patch[] = [];
  const { end, members: written } = jsonMembers(source, from, (_name, at) => {
    const value = readPatch(source, at, depth + 1);
    values.push(value);
    return value.end;
  });
  // A map, not an object: a member may be called `__proto__`.
  const members = new Map<string, PatchMember>();
  for (const [index, { name, start, valueStart: labelEnd }] of written.entries()) {
    members.set(name, { label: source.slice(start, labelEnd), value: values[index] as Patch });
  }
  const text = source.slice(from, end);
  const isWhole =
    members.size === written.length && values.every((value) => !isNull(value) && value.fresh === value.text);
  return { text, members, fresh: isWhole ? text : freshText(members), end };
}

function freshText(members: ReadonlyMap<string, PatchMember>): string {
  const parts: string[] = [];
  for (const { label, value } of members.values()) if (!isNull(value)) parts.push(label + value.fresh);
  return `{${parts.join(',')}}`;
}

/** The patch applied to the value of `target` that begins at `from`, and the place after that value. */
function mergeAt(target: string, from: number, patch: Patch): { readonly text: string; readonly end: number } {
  if (patch.members === undefined || !isObjectAt(target, from)) {
    const end = jsonValueEnd(target, from);
    const before = target.slice(from, end);
    const isKept = patch.members === undefined && isSameJson(before, patch.text);
    return { text: isKept ? before : patch.fresh, end };
  }
  const wanted = patch.members;
  const results = new Map<string, string>();
  const { end, members } = jsonMembers(target, from, (name, at) => {
    const change = wanted.get(name);
    if (change === undefined || isNull(change.value)) return jsonValueEnd(target, at);
    const merged = mergeAt(target, at, change.value);
    results.set(name, merged.text);
    return merged.end;
  });
  return { text: join(target, target.slice(from, end), members, wanted, results), end };
}

/** Puts an object together again; `before` where nothing of it changed. */
function join(
  target: string,
  before: string,
  own: readonly JsonMember[],
  wanted: ReadonlyMap<string, PatchMember>,
  results: ReadonlyMap<string, string>,
): string {
  const lasting = new Map(own.map((member) => [member.name, member]));
  const parts: string[] = [];
  let isChanged = false;
  for (const member of own) {
    const { end, name, start } = member;
    const change = wanted.get(name);
    if (change === undefined) parts.push(target.slice(start, end));
    else if (isNull(change.value) || lasting.get(name) !== member) isChanged = true;
    else {
      const result = results.get(name) as string;
      if (result !== target.slice(member.valueStart, end)) isChanged = true;
      parts.push(target.slice(start, member.valueStart) + result);
    }
  }
  for (const [name, { label, value }] of wanted) {
    if (isNull(value) || lasting.has(name)) continue;
    parts.push(label + value.fresh);
    isChanged = true;
  }
  return isChanged ? `{${parts.join(',')}}` : before;
}

function isNull(patch: Patch): boolean {
  return patch.text === 'null';
}

function valueStart(text: string): number {
  return skipSpace(text, 0, text.length);
}

import { LatchkeyError } from '@latchkey/client';
import { compileKeyPattern } from '../shared/key-pattern.ts';
import { templateParts } from '../shared/key-template.ts';
import type { Fault } from './fault.ts';
import type { IndexSet, SinkSettings } from './flow-settings.ts';

const PAYLOAD_WORDS = ['change', 'value', 'kvupdater', ''];

/** What is wrong with the templates of a sink. */
export function templateFaults({ channel, indexSet, payload }: SinkSettings, path: string): Fault[] {
  return [
    ...(channel === '' ? [] : keyOnly(`${path}.channel`, channel)),
    ...(PAYLOAD_WORDS.includes(payload) ? [] : keyOnly(`${path}.payload`, payload)),
    ...(indexSet === null || indexSet.fromKey === '' || indexSet.member === ''
      ? []
      : indexFaults(indexSet, `${path}.indexSet`)),
  ];
}

function keyOnly(path: string, template: string): Fault[] {
  return told(path, () => {
    const others = templateParts(template, 'template').filter(
      (part) => part.kind === 'recordKey' || (part.kind === 'field' && part.path.join('.') !== 'key'),
    );
    return others.length === 0 ? [] : [{ path, says: 'names what a change does not have; it takes {key} alone' }];
  });
}

function indexFaults({ fromKey, member }: IndexSet, path: string): Fault[] {
  let fields: readonly string[] | undefined;
  const faults = told(`${path}.fromKey`, () => {
    fields = compileKeyPattern(fromKey, 'template').fields;
    return [];
  });
  if (fields === undefined) return faults;
  const known = fields;
  return told(`${path}.member`, () => {
    const named = compileKeyPattern(member, 'template').fields;
    const unknown = named.filter((name) => !known.includes(name));
    const missing = known.filter((name) => !named.includes(name));
    const list = (names: readonly string[]) => names.map((name) => `{${name}}`).join(', ');
    if (unknown.length > 0)
      return [{ path: `${path}.member`, says: `names ${list(unknown)}, which fromKey does not have` }];
    if (missing.length === 0) return [];
    // Else two keys would share a member, and removing one would take it from the other.
    return [{ path: `${path}.member`, says: `leaves out ${list(missing)}: a member has to stand for one key` }];
  });
}

function told(path: string, look: () => Fault[]): Fault[] {
  try {
    return look();
  } catch (error) {
    if (!(error instanceof LatchkeyError)) throw error;
    return [{ path, says: error.message.replace(/^template: the key template ".*?" (?=is |has |names )/s, '') }];
  }
}

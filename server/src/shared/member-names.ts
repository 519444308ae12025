import { compileKeyPattern, type KeyPattern } from './key-pattern.ts';
import { compileKeyTemplate, type KeyTemplate } from './key-template.ts';
import { isRefusal, refuse } from './refusal.ts';

/** Which member of an id set stands for a key, and the way back: `7` of `info:batteries:ids` for `battery:7:data`. */
export class MemberNames {
  readonly #keys: KeyPattern;
  readonly #members: KeyPattern;
  readonly #key: KeyTemplate;
  readonly #member: KeyTemplate;

  /** @throws LatchkeyError `config-invalid` */
  constructor(fromKey: string, member: string) {
    this.#keys = compileKeyPattern(fromKey, 'indexSet.fromKey');
    this.#members = compileKeyPattern(member, 'indexSet.member');
    this.#key = compileKeyTemplate(fromKey, { field: 'indexSet.fromKey' });
    this.#member = compileKeyTemplate(member, { field: 'indexSet.member' });
  }

  memberOf(key: string): string | undefined {
    const fields = this.#keys.match(key);
    return fields === undefined ? undefined : fillTemplate(this.#member, key, fields);
  }

  keyOf(member: string): string | undefined {
    const fields = this.#members.match(member);
    return fields === undefined ? undefined : fillTemplate(this.#key, member, fields);
  }
}

/** Fills a template whose fields the check of the settings has found to be there; without `fields` it may name `{key}`. */
export function fillTemplate(
  template: KeyTemplate,
  key: string,
  fields: ReadonlyMap<string, string> = new Map([['key', key]]),
): string {
  const filled = template.fill({
    recordKey: key,
    field: (path) => fields.get(path.join('.')) ?? refuse('internal', `There is no {${path.join('.')}} here.`, 'key'),
  });
  if (typeof filled !== 'string' && isRefusal(filled)) throw new RangeError(filled.message);
  return filled as string;
}

import type { RedisSinkSettings } from '../config/flow-settings.ts';
import type { Change } from '../shared/change.ts';
import { changeJson } from '../shared/encode-change.ts';
import type { EpochTable } from '../shared/epochs.ts';
import { compileKeyPattern, type KeyPattern } from '../shared/key-pattern.ts';
import { compileKeyTemplate, type KeyTemplate } from '../shared/key-template.ts';
import { isRefusal, refuse } from '../shared/refusal.ts';
import { kvupdaterMessage } from './kvupdater-message.ts';

export type RedisOperation =
  | { readonly kind: 'publish'; readonly channel: string; readonly payload: string | Buffer }
  | { readonly kind: 'add' | 'remove'; readonly member: string };

type PayloadOf = (change: Change, epochs: EpochTable) => string | Buffer | undefined;

/** What a change means on a Redis: a message, and a place in the set. Pure. */
export class RedisOperations {
  readonly #channel: KeyTemplate | undefined;
  readonly #payload: PayloadOf;
  readonly #index: MemberNames | undefined;

  /** @throws LatchkeyError `config-invalid` */
  constructor({ channel, indexSet, payload }: Pick<RedisSinkSettings, 'channel' | 'indexSet' | 'payload'>) {
    this.#channel = channel === '' ? undefined : compileKeyTemplate(channel, { field: 'channel' });
    this.#payload = payloadOf(payload);
    this.#index = indexSet === null ? undefined : new MemberNames(indexSet.fromKey, indexSet.member);
  }

  of(change: Change, epochs: EpochTable): readonly RedisOperation[] {
    const operations: RedisOperation[] = [];
    const member = change.op === 'stale' ? undefined : this.#index?.memberOf(change.key);
    // The set first: whoever hears of a new key finds it there.
    if (member !== undefined) operations.push({ kind: change.op === 'remove' ? 'remove' : 'add', member });
    const payload = this.#channel === undefined ? undefined : this.#payload(change, epochs);
    if (payload !== undefined) {
      const channel = fill(this.#channel as KeyTemplate, change.key);
      operations.push({ kind: 'publish', channel, payload });
    }
    return operations;
  }

  /** The key that a member of the set stands for; undefined where it stands for none. */
  keyOf(member: string): string | undefined {
    return this.#index?.keyOf(member);
  }
}

/** Which member of the set stands for a key, and the way back. */
class MemberNames {
  readonly #keys: KeyPattern;
  readonly #members: KeyPattern;
  readonly #key: KeyTemplate;
  readonly #member: KeyTemplate;

  constructor(fromKey: string, member: string) {
    this.#keys = compileKeyPattern(fromKey, 'indexSet.fromKey');
    this.#members = compileKeyPattern(member, 'indexSet.member');
    this.#key = compileKeyTemplate(fromKey, { field: 'indexSet.fromKey' });
    this.#member = compileKeyTemplate(member, { field: 'indexSet.member' });
  }

  memberOf(key: string): string | undefined {
    const fields = this.#keys.match(key);
    return fields === undefined ? undefined : fill(this.#member, key, fields);
  }

  keyOf(member: string): string | undefined {
    const fields = this.#members.match(member);
    return fields === undefined ? undefined : fill(this.#key, member, fields);
  }
}

function payloadOf(payload: string): PayloadOf {
  switch (payload) {
    case 'change':
      return (change, epochs) => changeJson(change, epochs, true);
    case 'value':
      return ({ op, value }) => (op === 'stale' ? undefined : (value?.data ?? ''));
    case 'kvupdater':
      return (change) => (change.op === 'put' ? kvupdaterMessage(change) : undefined);
    default: {
      const template = payload === '' ? undefined : compileKeyTemplate(payload, { field: 'payload' });
      return ({ key, op }) => {
        if (op === 'stale') return undefined;
        return template === undefined ? '' : fill(template, key);
      };
    }
  }
}

function fill(
  template: KeyTemplate,
  key: string,
  fields: ReadonlyMap<string, string> = new Map([['key', key]]),
): string {
  const filled = template.fill({
    recordKey: key,
    field: (path) => fields.get(path.join('.')) ?? refuse('internal', `There is no {${path.join('.')}} here.`, 'key'),
  });
  // The settings were checked for what their templates name.
  if (typeof filled !== 'string' && isRefusal(filled)) throw new RangeError(filled.message);
  return filled as string;
}

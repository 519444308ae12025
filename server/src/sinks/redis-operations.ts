import type { RedisSinkSettings } from '../config/flow-settings.ts';
import type { Change } from '../shared/change.ts';
import { changeJson } from '../shared/encode-change.ts';
import type { EpochTable } from '../shared/epochs.ts';
import { compileKeyTemplate, type KeyTemplate } from '../shared/key-template.ts';
import { fillTemplate, MemberNames } from '../shared/member-names.ts';
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
      const channel = fillTemplate(this.#channel as KeyTemplate, change.key);
      operations.push({ kind: 'publish', channel, payload });
    }
    return operations;
  }

  /** The key that a member of the set stands for; undefined where it stands for none. */
  keyOf(member: string): string | undefined {
    return this.#index?.keyOf(member);
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
        return template === undefined ? '' : fillTemplate(template, key);
      };
    }
  }
}

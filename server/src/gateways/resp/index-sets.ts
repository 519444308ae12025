import type { SinkSettings } from '../../config/flow-settings.ts';
import { templateParts } from '../../shared/key-template.ts';
import { MemberNames } from '../../shared/member-names.ts';
import type { View } from '../../view/view.ts';

/** A page of a listing, so that no set of any size stops the process for long. */
const PAGE_KEYS = 1000;

interface IndexSetRule {
  readonly names: MemberNames;
  /** Every key of a member begins with it. */
  readonly prefix: string;
}

/**
 * The sets that sinks keep beside the values, which name what there is: `info:batteries:ids` of `battery:{id}:data`. Here they are
 * made of the view whenever somebody asks.
 */
export class IndexSets {
  readonly #rules = new Map<string, IndexSetRule>();

  constructor(sinks: readonly SinkSettings[]) {
    for (const { indexSet } of sinks) {
      if (indexSet === null) continue;
      const [first] = templateParts(indexSet.fromKey, 'indexSet.fromKey');
      this.#rules.set(indexSet.key, {
        names: new MemberNames(indexSet.fromKey, indexSet.member),
        prefix: first?.kind === 'text' ? first.text : '',
      });
    }
  }

  has(key: string): boolean {
    return this.#rules.has(key);
  }

  /** The key whose entry makes this a member; undefined where nothing can. */
  sourceOf(key: string, member: string): string | undefined {
    return this.#rules.get(key)?.names.keyOf(member);
  }

  /** Page by page, so that the caller may let others on in between. */
  *members(key: string, view: View): Generator<readonly string[], void> {
    const rule = this.#rules.get(key);
    if (rule === undefined) return;
    const { names, prefix } = rule;
    let after: string | undefined;
    do {
      const page = view.list({ prefix, limit: PAGE_KEYS, ...(after === undefined ? {} : { after }) });
      yield page.entries.map((entry) => names.memberOf(entry.key)).filter((member) => member !== undefined);
      after = page.next;
    } while (after !== undefined);
  }
}

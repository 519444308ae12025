import type { SinkSettings } from '../../config/flow-settings.ts';
import { compileKeyFilter } from '../../shared/key-filter.ts';
import { templateParts } from '../../shared/key-template.ts';
import { MemberNames } from '../../shared/member-names.ts';
import type { View } from '../../view/view.ts';

/** A page of a listing, so that no set of any size stops the process for long. */
const PAGE_KEYS = 1000;

interface IndexSetRule {
  readonly names: MemberNames;
  /** Every key of a member begins with it. */
  readonly prefix: string;
  /** Whether the sink is for this key at all. */
  readonly takes: (key: string) => boolean;
}

/**
 * The sets that sinks keep beside the values, which name what there is: `info:batteries:ids` of `battery:{id}:data`. Here they are
 * made of the view whenever somebody asks.
 */
export class IndexSets {
  readonly #rules = new Map<string, IndexSetRule>();

  constructor(sinks: readonly SinkSettings[]) {
    for (const sink of sinks) {
      const { indexSet } = sink;
      if (indexSet === null) continue;
      const [first] = templateParts(indexSet.fromKey, 'indexSet.fromKey');
      this.#rules.set(indexSet.key, {
        names: new MemberNames(indexSet.fromKey, indexSet.member),
        prefix: first?.kind === 'text' ? first.text : '',
        takes: compileKeyFilter(sink),
      });
    }
  }

  has(key: string): boolean {
    return this.#rules.has(key);
  }

  /** The key whose entry makes this a member; undefined where nothing can. */
  sourceOf(key: string, member: string): string | undefined {
    const rule = this.#rules.get(key);
    const source = rule?.names.keyOf(member);
    return source !== undefined && rule?.takes(source) === true ? source : undefined;
  }

  /** Page by page, so that the caller may let others on in between. */
  *members(key: string, view: View): Generator<readonly string[], void> {
    const rule = this.#rules.get(key);
    if (rule === undefined) return;
    const { names, prefix, takes } = rule;
    let after: string | undefined;
    do {
      const page = view.list({ prefix, limit: PAGE_KEYS, ...(after === undefined ? {} : { after }) });
      yield page.entries
        .filter((entry) => takes(entry.key))
        .map((entry) => names.memberOf(entry.key))
        .filter((member) => member !== undefined);
      after = page.next;
    } while (after !== undefined);
  }
}

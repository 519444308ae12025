import type { SinkSettings } from '../../config/flow-settings.ts';
import type { View } from '../../view/view.ts';

/** A page of a listing, so that no set of any size stops the process for long. */
const PAGE_KEYS = 1000;

interface Place {
  readonly text: string;
  /** Undefined for text between the names. */
  readonly name: string | undefined;
}

interface IndexSetRule {
  readonly from: RegExp;
  /** Every key of a member begins with it. */
  readonly prefix: string;
  readonly member: readonly Place[];
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
      const from = placesOf(indexSet.fromKey);
      const pattern = from.map(({ name, text }) => (name === undefined ? escaped(text) : '(.+?)')).join('');
      const [first] = from;
      this.#rules.set(indexSet.key, {
        from: new RegExp(`^${pattern}$`, 's'),
        prefix: first?.name === undefined ? (first?.text ?? '') : '',
        member: membersOf(placesOf(indexSet.member), from),
      });
    }
  }

  has(key: string): boolean {
    return this.#rules.has(key);
  }

  /** Page by page, so that the caller may let others on in between. */
  *members(key: string, view: View): Generator<readonly string[], void> {
    const rule = this.#rules.get(key);
    if (rule === undefined) return;
    let after: string | undefined;
    do {
      const page = view.list({
        prefix: rule.prefix,
        limit: PAGE_KEYS,
        ...(after === undefined ? {} : { after }),
      });
      const members: string[] = [];
      for (const entry of page.entries) {
        const found = rule.from.exec(entry.key);
        if (found !== null) members.push(memberOf(rule, found));
      }
      yield members;
      after = page.next;
    } while (after !== undefined);
  }
}

function placesOf(template: string): readonly Place[] {
  return template
    .split(/(\{[^{}]*\})/)
    .filter((text) => text !== '')
    .map((text) => ({ text, name: text.startsWith('{') && text.endsWith('}') ? text.slice(1, -1) : undefined }));
}

/** Names become their places among the groups of `from`. */
function membersOf(member: readonly Place[], from: readonly Place[]): readonly Place[] {
  const names = from.flatMap(({ name }) => (name === undefined ? [] : [name]));
  return member.map(({ name, text }) => ({ text, name: name === undefined ? undefined : String(names.indexOf(name)) }));
}

function memberOf({ member }: IndexSetRule, found: RegExpExecArray): string {
  return member.map(({ name, text }) => (name === undefined ? text : (found[Number(name) + 1] ?? ''))).join('');
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

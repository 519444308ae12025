import type { Environment } from './environment.ts';
import type { Fault } from './fault.ts';
import { isTree, type Tree } from './layer.ts';
import { follow, isReference } from './reference.ts';

export interface References {
  readonly faults: readonly Fault[];
  /** The settings that stand elsewhere, with where: what is there is never shown. */
  readonly at: ReadonlyMap<string, string>;
}

/** Puts what references lead to in their place, throughout the tree and its lists. `read` makes of the text what the setting takes. */
export function followReferences(
  tree: Tree,
  environment: Environment,
  cwd: string,
  read: (path: string, text: string) => unknown,
): References {
  const faults: Fault[] = [];
  const at = new Map<string, string>();
  const found = (path: string, value: string): string => {
    const followed = follow(value, environment, cwd);
    at.set(path, value);
    if (followed !== undefined && 'text' in followed) return followed.text;
    faults.push({ path, says: followed?.says ?? 'refers to nothing' });
    return value;
  };
  const visit = (place: Tree, prefix: string): void => {
    for (const [name, value] of Object.entries(place)) {
      const path = prefix + name;
      if (isTree(value)) visit(value, `${path}.`);
      else if (isReference(value)) place[name] = read(path, found(path, value));
      else if (Array.isArray(value)) {
        place[name] = value.map((each) => (isReference(each) ? found(path, each) : each));
        for (const [index, each] of value.entries()) if (isTree(each)) visit(each, `${path}[${index}].`);
      }
    }
  };
  visit(tree, '');
  return { faults, at };
}

import { type Fault, shown } from './fault.ts';
import { getPath, isTree, type Tree } from './layer.ts';

/** Documented names that this version does not have yet: asked for, they are refused, never ignored. */
const LATER = {
  auth: 'authentication',
} as const;

const LATER_KINDS = ['kafka', 'webhook', 'file'];

/**
 * Takes what belongs to later versions out of the tree, and says so of everything that is really asked for: the documented
 * empty forms (`sources: []`, `resp: { listen: null }`) ask for nothing.
 */
export function refuseLater(tree: Tree): Fault[] {
  const faults: Fault[] = [];
  for (const [path, what] of Object.entries(LATER)) {
    const value = tree[path];
    delete tree[path];
    if (!isEmpty(value))
      faults.push({ path, says: `is of a later version: this one does not have ${what}; leave it out` });
  }
  const kind = getPath(tree, 'log.kind');
  if (kind === 'kafka') {
    // The other settings of such a log would each be called unknown, which is noise beside the one cause.
    delete tree.log;
    faults.push({ path: 'log.kind', says: `takes local or redis in this version, but got ${shown('log.kind', kind)}` });
  }
  for (const name of ['sources', 'sinks']) {
    const items = tree[name];
    if (!Array.isArray(items)) continue;
    items.forEach((each: unknown, index) => {
      if (!isTree(each) || !LATER_KINDS.includes(String(each.kind))) return;
      faults.push({
        path: `${name}[${index}].kind`,
        says: `is ${String(each.kind)}, which this version does not have; leave it out`,
      });
    });
    tree[name] = items.filter((each: unknown) => !isTree(each) || !LATER_KINDS.includes(String(each.kind)));
  }
  return faults;
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return true;
  if (Array.isArray(value)) return value.length === 0;
  return isTree(value) && Object.values(value).every(isEmpty);
}

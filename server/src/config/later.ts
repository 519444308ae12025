import { type Fault, shown } from './fault.ts';
import { getPath, isTree, type Tree } from './layer.ts';

/** What each preset sets, below everything else. `kv-store` sets nothing here: its routes read `presets`. */
export const PRESETS: Readonly<Record<string, Tree>> = { 'kv-store': {} };

/** Documented names that this version does not have yet: asked for, they are refused, never ignored. */
const LATER = {
  resp: 'the Redis protocol gateway',
  sources: 'sources beside HTTP',
  sinks: 'sinks',
  auth: 'authentication',
  keyPrefix: 'sources beside HTTP, whose keys it would stand before',
} as const;

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
  if (kind === 'redis' || kind === 'kafka') {
    // The other settings of such a log would each be called unknown, which is noise beside the one cause.
    delete tree.log;
    faults.push({ path: 'log.kind', says: `takes local in this version, but got ${shown('log.kind', kind)}` });
  }
  return faults;
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return true;
  if (Array.isArray(value)) return value.length === 0;
  return isTree(value) && Object.values(value).every(isEmpty);
}

/** Presets in `presets` that exist, but not in this version. Names that never existed are the schema's to refuse. */
export function refuseLaterPresets(names: readonly string[], known: readonly string[]): Fault[] {
  return names
    .filter((name) => known.includes(name) && !Object.hasOwn(PRESETS, name))
    .map((name) => ({
      path: 'presets',
      says: `takes ${Object.keys(PRESETS).join(', ')} in this version, but got ${shown('presets', name)}`,
    }));
}

/** Settings in the user's form, as nested mappings without a prototype, so that no name in a file can reach one. */
export interface Tree {
  [name: string]: unknown;
}

/** What one place says, and where exactly it says it. */
export interface Layer {
  readonly tree: Tree;
  /** By path: `--port`, `LATCHKEY_HTTP_PORT`, `latchkey.yaml line 3`. */
  readonly origins: ReadonlyMap<string, string>;
}

export function emptyTree(): Tree {
  return Object.create(null) as Tree;
}

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Copies what parsers made into trees; `null` means "as if it were not there". */
export function toTree(value: Readonly<Record<string, unknown>>): Tree {
  const tree = emptyTree();
  for (const [name, inner] of Object.entries(value)) {
    if (inner === null || inner === undefined) continue;
    tree[name] = Array.isArray(inner) ? inner.map(toItem) : toItem(inner);
  }
  return tree;
}

function toItem(value: unknown): unknown {
  return isTree(value) ? toTree(value) : value;
}

/** `path` as in `http.port` or `sources[0].url`; the items of a list must be there. */
export function setPath(tree: Tree, path: string, value: unknown): void {
  const names = path.replace(/\[([0-9]+)\]/g, '.$1').split('.');
  const last = names.pop() as string;
  let place = tree;
  for (const name of names) {
    if (!isTree(place[name]) && !Array.isArray(place[name])) place[name] = emptyTree();
    place = place[name] as Tree;
  }
  place[last] = value;
}

export function getPath(tree: Tree, path: string): unknown {
  let value: unknown = tree;
  for (const name of path.split('.')) value = isTree(value) ? value[name] : undefined;
  return value;
}

/** Later layers win; mappings are merged name by name, lists are replaced. */
export function mergeLayers(layers: readonly Layer[]): Layer {
  const tree = emptyTree();
  const origins = new Map<string, string>();
  for (const layer of layers) {
    merge(tree, layer.tree);
    for (const [path, origin] of layer.origins) origins.set(path, origin);
  }
  return { tree, origins };
}

function merge(target: Tree, from: Tree): void {
  for (const [name, value] of Object.entries(from)) {
    const present = target[name];
    if (isTree(value) && isTree(present)) merge(present, value);
    else target[name] = isTree(value) ? toTree(value) : value;
  }
}

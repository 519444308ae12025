/**
 * Looks at LMDB's trees as they lie in the file, before LMDB does: it takes every page number, count and place in a page as it stands, and one
 * that leads outside ends the process, or lets it go on with a damaged heap. What opening a store reads is looked at here: both edges of each
 * tree, and small trees whole. It knows nothing of keys and values, and never writes.
 *
 * Invariant: nothing is read beyond the page that was handed over.
 */

/** `MDB_db`: where a tree begins. */
export const TREE_BYTES = 48;
const ROOT_AT = 40;
const NO_PAGE = 2n ** 64n - 1n;
/** Page number, transaction, then: */
const FLAGS_AT = 18;
const FREE_FROM_AT = 20;
const FREE_TO_AT = 22;
const PAGE_HEADER_BYTES = 24;
const NODE_HEADER_BYTES = 8;
const BRANCH = 0x01;
const LEAF = 0x02;
/** A leaf of keys of one size without nodes; other programs' stores may have some. */
const LEAF_OF_KEYS = 0x22;
/** Flags of pages on their way through memory. */
const PASSING_FLAGS = 0xe000;
const IN_OTHER_PAGES = 0x01;
const IS_TREE = 0x02;
/** LMDB's own limit. */
const DEPTH_MAX = 32;
/** Of one tree: enough for both edges of a deep one, and for all of a small one. */
const PAGES_MAX = 64;

export interface StorePages {
  readonly pageSize: number;
  /** The last page that is taken. */
  readonly lastPage: number;
  /** Undefined where the file has less; good until the next one is read. */
  read(page: number): Buffer | undefined;
}

interface Visit {
  readonly page: number;
  readonly level: number;
}

/** What is wrong with a tree or one of those that lie in it; undefined: nothing that was looked at. */
export function faultInTree(pages: StorePages, tree: Buffer, hasTrees: boolean): string | undefined {
  const depth = tree.readUInt16LE(6);
  const root = tree.readBigUInt64LE(ROOT_AT);
  if (root === NO_PAGE) return undefined;
  if (depth < 1 || depth > DEPTH_MAX) return `a tree says that it is ${depth} pages deep`;
  const inner: Buffer[] = [];
  const visits: Visit[] = [{ page: Number(root), level: 1 }];
  for (let looked = 0; visits.length > 0 && looked < PAGES_MAX; looked += 1) {
    const { level, page } = visits.pop() as Visit;
    const bytes = page < 2 || page > pages.lastPage ? undefined : pages.read(page);
    if (bytes === undefined) return `a tree leads to page ${page}, which is not there`;
    const isLeaf = level === depth;
    const fault = faultInPage(bytes, page, isLeaf);
    if (fault !== undefined) return `page ${page} ${fault}`;
    if (!isLeaf) visits.push(...edgesFirst(childrenOf(bytes)).map((child) => ({ page: child, level: level + 1 })));
    else if (hasTrees) inner.push(...treesIn(bytes));
  }
  for (const each of inner) {
    const fault = faultInTree(pages, each, false);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function faultInPage(bytes: Buffer, page: number, isLeaf: boolean): string | undefined {
  if (bytes.readBigUInt64LE(0) !== BigInt(page)) return 'is another one, or none';
  const flags = bytes.readUInt16LE(FLAGS_AT) & ~PASSING_FLAGS;
  if (isLeaf ? flags !== LEAF && flags !== LEAF_OF_KEYS : flags !== BRANCH)
    return `is of kind ${flags} where a ${isLeaf ? 'leaf' : 'branch'} is meant to be`;
  const room = bytes.length - PAGE_HEADER_BYTES;
  const freeFrom = bytes.readUInt16LE(FREE_FROM_AT);
  const freeTo = bytes.readUInt16LE(FREE_TO_AT);
  if (freeFrom < 2 || freeFrom % 2 !== 0 || freeFrom > freeTo || freeTo > room) return 'has a damaged head';
  if (flags === LEAF_OF_KEYS) return undefined;
  for (const at of nodesOf(bytes)) {
    if (at < PAGE_HEADER_BYTES + freeTo || at + NODE_HEADER_BYTES > bytes.length) return 'leads outside itself';
    if (at + nodeBytes(bytes, at, isLeaf) > bytes.length) return 'has a node that ends outside';
  }
  return undefined;
}

function nodeBytes(bytes: Buffer, at: number, isLeaf: boolean): number {
  const head = NODE_HEADER_BYTES + bytes.readUInt16LE(at + 6);
  if (!isLeaf) return head;
  const isElsewhere = (bytes.readUInt16LE(at + 4) & IN_OTHER_PAGES) !== 0;
  return head + (isElsewhere ? 8 : bytes.readUInt32LE(at));
}

/** Where the page's nodes begin. */
function nodesOf(bytes: Buffer): readonly number[] {
  return Array.from(
    { length: bytes.readUInt16LE(FREE_FROM_AT) / 2 },
    (_value, index) => PAGE_HEADER_BYTES + bytes.readUInt16LE(PAGE_HEADER_BYTES + index * 2),
  );
}

function childrenOf(bytes: Buffer): readonly number[] {
  return nodesOf(bytes).map((at) => bytes.readUInt32LE(at) + bytes.readUInt16LE(at + 4) * 2 ** 32);
}

/** In the order in which they are pushed: the first and the last one are looked at before those between them. */
function edgesFirst(children: readonly number[]): readonly number[] {
  const [first, ...others] = children;
  if (first === undefined) return [];
  const last = others.pop();
  const between = others.slice(0, PAGES_MAX);
  return last === undefined ? [first] : [...between, last, first];
}

function treesIn(leaf: Buffer): readonly Buffer[] {
  if ((leaf.readUInt16LE(FLAGS_AT) & LEAF_OF_KEYS) === LEAF_OF_KEYS) return [];
  return nodesOf(leaf)
    .filter((at) => leaf.readUInt16LE(at + 4) === IS_TREE && leaf.readUInt32LE(at) === TREE_BYTES)
    .map((at) => {
      const from = at + NODE_HEADER_BYTES + leaf.readUInt16LE(at + 6);
      return Buffer.from(leaf.subarray(from, from + TREE_BYTES));
    });
}

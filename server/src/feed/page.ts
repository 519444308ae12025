import type { Change } from '../shared/change.ts';
import { isLive } from '../shared/change.ts';
import type { View } from '../view/view.ts';
import type { Bounds } from './bounds.ts';
import { type Cursor, cursorTexts } from './cursor.ts';
import type { FeedHead } from './feed-head.ts';
import type { Member } from './member.ts';
import { makeChunk } from './pinned-bytes.ts';
import type { Sockets } from './sockets.ts';
import { isWalkable, type Range, Walk } from './walk.ts';

/** What one page of catch-up needs. */
export interface Pager {
  readonly view: View;
  readonly head: FeedHead;
  readonly sockets: Sockets;
  readonly bounds: Bounds;
}

/**
 * Hands a member that is behind one page of the first partition that it is not through with, and moves its cursor over it.
 * False: it is closed or blocked.
 */
export function handPage(member: Member, pager: Pager): boolean {
  const cursors = member.cursors as Cursor[];
  // A plan is finished first: meanwhile an earlier partition may have moved on.
  const partition = member.walk?.partition ?? unfinished(cursors, pager.head);
  const cursor = cursors[partition];
  if (cursor === undefined) return true;
  const range: Range =
    cursor.base !== undefined ? 'snapshot' : cursor.conflateTo !== undefined ? 'conflated' : 'complete';
  const until = cursor.base ?? cursor.conflateTo ?? (pager.head.heads[partition] as number);
  const read = readPage(member, pager, partition, cursor.offset, until, range);
  if (read === 'building') return true;
  if (read.reached <= cursor.offset) {
    throw new Error(
      `Catch-up stood still at offset ${cursor.offset} of partition ${partition} on its way to ${until}.`,
    );
  }
  const changes = read.changes.filter((change) => isOwed(member, change, range, pager.view));
  const texts = textsOf(member, pager, partition, changes);
  const completeTo = member.completeTo[partition] as number;
  if (range === 'complete') member.matched += changes.filter(({ offset }) => offset > completeTo).length;
  cursor.offset = read.reached;
  // The feed's head may have moved past the plan's end: what came since is read anew.
  if (read.reached === member.walk?.until) member.walk = undefined;
  if (cursor.offset >= until) {
    cursor.base = undefined;
    cursor.conflateTo = undefined;
    member.walk = undefined;
    member.isWalkRefused = false;
  }
  if (changes.length === 0) return true;
  const { codec } = member.group.identity;
  const context = member.group.context(pager.view.epochs);
  return pager.sockets.send(member, makeChunk(codec.behind(member.outlet.id, changes, texts, context), changes.length));
}

/** The first partition that is not at the feed's head, or -1. */
function unfinished(cursors: readonly Cursor[], head: FeedHead): number {
  return cursors.findIndex(
    ({ base, conflateTo, offset }, partition) =>
      base !== undefined || conflateTo !== undefined || offset < (head.heads[partition] as number),
  );
}

type Read = { readonly changes: readonly Change[]; readonly reached: number };

function readPage(
  member: Member,
  { bounds, view }: Pager,
  partition: number,
  after: number,
  until: number,
  range: Range,
): Read | 'building' {
  const { filter, withValues } = member.group.identity;
  if (member.walk === undefined && !member.isWalkRefused && until - after >= bounds.walkDistanceMin) {
    if (isWalkable(filter, range, view, bounds))
      member.walk = new Walk(view, bounds, filter, range, { partition, after, until });
  }
  if (member.walk?.isBuilt === false) {
    if (member.walk.build()) return 'building';
    member.walk = undefined;
    member.isWalkRefused = true;
  }
  if (member.walk !== undefined) return member.walk.page(withValues);
  return view.scan(partition, after, {
    until,
    changesMax: bounds.pageChangesMax,
    bytesMax: bounds.chunkBytesMax,
    skipSuperseded: range !== 'complete',
    skipRemoves: range === 'snapshot',
  });
}

// A snapshot shows what a read would: no entry past its expiry, whose removal then comes as a change of its own.
function isOwed(member: Member, change: Change, range: Range, view: View): boolean {
  return member.group.wants(change) && (range !== 'snapshot' || isLive(change, view.nowMicros()));
}

function textsOf(member: Member, { head }: Pager, partition: number, changes: readonly Change[]): readonly string[] {
  const offsets = changes.map(({ offset }) => offset);
  return cursorTexts(head.epoch, member.group.identity.filterHash, member.cursors as Cursor[], partition, offsets);
}

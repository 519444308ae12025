/** The feed's own bounds. Not settings: users have no reason to change them; tests make them small to meet them often. */
export interface Bounds {
  /** A chunk, and a page of catch-up, carries at most these bytes of keys and values before encoding, or one change. */
  readonly chunkBytesMax: number;
  /** A page of catch-up reads at most this many changes. */
  readonly pageChangesMax: number;
  /** Announced changes beyond this are fanned out at once: more would not make better chunks. */
  readonly pendingMax: number;
  /** What a group's ring holds at most. */
  readonly ringChunksMax: number;
  readonly ringBytesMax: number;
  /** Ranges of fewer offsets are read in offset order: that is about one page. */
  readonly walkDistanceMin: number;
  /** A plan that would be longer is given up, and the range read in offset order. */
  readonly walkOffsetsMax: number;
  /** A plan is built in pieces of this many look-ups, each a synchronous call; and in at most so many pieces. */
  readonly walkPieceMax: number;
  readonly walkPiecesMax: number;
}

const KIB = 1024;

export const BOUNDS: Bounds = {
  chunkBytesMax: 64 * KIB,
  pageChangesMax: 1000,
  pendingMax: 10_000,
  ringChunksMax: 64,
  ringBytesMax: 1024 * KIB,
  walkDistanceMin: 1000,
  walkOffsetsMax: 10_000,
  walkPieceMax: 1000,
  // A filter of a thousand prefixes takes a piece for each.
  walkPiecesMax: 1100,
};

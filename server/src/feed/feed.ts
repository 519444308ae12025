import type { ControlEvent, Filter, Position } from '@latchkey/client';
import type { Principal } from '../shared/access.ts';
import type { Change } from '../shared/change.ts';
import type { EpochTable } from '../shared/epochs.ts';

/** What a codec needs to write positions and versions. */
export interface CodecContext {
  readonly epochs: EpochTable;
  /** The group's shared name, e.g. `g7`. */
  readonly ref: string;
  /** Ends every position of the group. */
  readonly filterHash: string;
  /** Whether changes carry their values. */
  readonly withValues: boolean;
}

/**
 * How changes and control events become bytes on a transport. Pure. `live` is made once per group and tick and handed to every
 * member as the same buffer; `behind` is made for one member. A codec for which both are the same bytes says `isShared`, and
 * then gives each change its own position (SSE ids): `positions[i]` is the member's position once `changes[i]` was delivered.
 */
export interface Codec {
  /** Members share chunks only with members of the same codec. */
  readonly name: string;
  readonly isShared: boolean;
  live(changes: readonly Change[], positions: readonly string[], context: CodecContext): Buffer;
  behind(memberId: string, changes: readonly Change[], positions: readonly string[], context: CodecContext): Buffer;
  /** An empty buffer where the transport does not show this event. */
  control(memberId: string, event: ControlEvent, context: CodecContext): Buffer;
}

/** The transport's side of a watch. */
export interface Outlet {
  /** Unique among the watches of one connection; written into frames that are for this watch alone. */
  readonly id: string;
  /** Hands bytes to the socket. False: it is over its high-water mark and MUST be given nothing more until `Watch.drained()`. */
  write(bytes: Buffer): boolean;
  /** Ends the watch's connection or stream after what was written; `code` says why. Called once, by the feed only. */
  end(code: 'closing' | 'stalled'): void;
}

export interface WatchRequest {
  readonly filter: Filter;
  readonly principal: Principal;
  readonly from: 'start' | 'now' | Position;
  readonly withValues: boolean;
  readonly codec: Codec;
}

export interface Watch {
  readonly ref: string;
  /** What the member has been handed so far. */
  position(): Position;
  /**
   * The transport can take more; MUST be called after every `write` that returned false. A watch that was in its group's shared
   * frames (`isShared: false`) either still is when this returns, or was written `behind` within the call.
   */
  drained(): void;
  /** The client went. Idempotent. */
  close(): void;
}

/**
 * Turns durable changes into live streams. Watchers of the same filter, codec and grants form a group and share its chunks. A
 * member is either behind (reading the view up to a chunk boundary) or live, and in exactly one of the two sets.
 */
export interface Feed {
  /**
   * `opened` is written before this returns.
   * @throws LatchkeyError `filter-too-big`, `pattern-invalid`, `key-invalid`, `key-too-long`, `forbidden`, `closing`
   */
  watch(request: WatchRequest, outlet: Outlet): Watch;
  counts(): { readonly watchers: number; readonly groups: number; readonly behind: number };
  /** Changes handed out since the start, each counted for each watch that got it. */
  delivered(): number;
  /** `bye` to every watcher: elsewhere there is more than this node can show. Whoever comes back here is served as before. */
  sendAway(): void;
  /** `bye` to every watcher, spread by jitter, then `end`. Resolves when all have been handed their last bytes. */
  close(): Promise<void>;
}

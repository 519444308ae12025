/** Why a watch was told to forget everything it holds for its filter. */
export type ResetReason = 'epoch' | 'collected' | 'filter' | 'ahead';

/** Control events of a watch; SSE carries them as named events, WebSocket as `{"op":…}`. Positions are in text form. */
export type ControlEvent =
  | {
      readonly op: 'opened';
      readonly position: string;
      readonly epoch: string;
      readonly node: string;
      readonly snapshotTo?: string;
    }
  | { readonly op: 'synced'; readonly position: string }
  | { readonly op: 'progress'; readonly position: string }
  /** WebSocket only: the watch leaves the group's shared frames until its next `synced`; its own frames carry its id. */
  | { readonly op: 'behind'; readonly position: string }
  | { readonly op: 'conflated'; readonly from: string; readonly to: string }
  | { readonly op: 'reset'; readonly reason: ResetReason; readonly position: string; readonly snapshotTo?: string }
  | { readonly op: 'bye'; readonly afterMs: number };

/** What is published elsewhere, for as long as it can be heard. */
export interface Subscription {
  start(): void;
  /** Whether everything that is published now is heard. */
  readonly isUp: boolean;
  /** Why not, in a sentence. */
  readonly reason: string | undefined;
  /** Until then everything that was published since `Listener.interrupted` was last called was heard: microseconds since 1970. */
  readonly heardUntil: number;
  /** Hears nothing any more. Idempotent. */
  close(): void;
}

/** Whom a subscription tells. */
export interface Listener {
  heard(channel: string, body: Buffer): void;
  /** It hears from `to` on, and knows nothing of what was published after `from`; undefined: it had not been there before. */
  resumed(from: number | undefined, to: number): void;
  /** It hears nothing until `resumed` is called. */
  interrupted(): void;
}

export interface Subscribed {
  readonly channels: readonly string[];
  readonly patterns: readonly string[];
}

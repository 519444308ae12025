/** Why an entry went. */
export type RemoveReason = 'deleted' | 'expired' | 'evicted';

/**
 * An entry as clients see it. Absent fields are left out; times are RFC 3339; `version` is `epoch.offset`. `Value` is what the
 * caller says its values are; nothing checks it.
 */
export interface Entry<Value = unknown> {
  readonly key: string;
  /** The JSON value; a string for UTF-8 text; base64 text where `encoding` says so. */
  readonly value?: Value;
  readonly version: string;
  readonly updated: string;
  readonly valid?: string;
  readonly expires?: string;
  readonly stale?: true;
  readonly origin?: string;
  readonly contentType?: string;
  readonly encoding?: 'base64';
}

/** A change as a watch delivers it: always the whole resulting entry, never a patch. */
export interface Change<Value = unknown> {
  readonly op: 'put' | 'remove' | 'stale';
  readonly key: string;
  readonly value?: Value;
  readonly version: string;
  readonly reason?: RemoveReason;
  readonly updated: string;
  readonly valid?: string;
  readonly expires?: string;
  readonly contentType?: string;
  readonly encoding?: 'base64';
}

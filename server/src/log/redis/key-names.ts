import { TABLE_NAMES, type TableName } from '../../view/view.ts';

/** Where a log keeps what is its own on a Redis, beside the plain keys of its users. */
export interface KeyNames {
  /** Of all names below; a plain key that begins with it would be taken for the log's own. */
  readonly prefix: string;
  /** Hash: where the log ends (`Head`), and how many bytes of records there ever were. */
  readonly head: string;
  /** List: `FIRST ID` of each epoch, oldest first, bounded. */
  readonly epochs: string;
  /** Stream: a record for each append, under the id `LAST-0`, with the token of the head that it was appended to. */
  readonly changes: string;
  /** List: `BYTES OFFSET`, how many bytes of records there ever were up to an offset, so that the stream is held to its bytes. */
  readonly marks: string;
  /** Hash: key to all of its last change but the value. */
  readonly heads: string;
  /** Sorted set: keys by the offset of their last change. */
  readonly index: string;
  /** Hash: incarnation of a node to `SEQUENCE TOKEN LAST NOW` of its last append. */
  readonly writers: string;
  /** Hash: name of a lease to `UNTIL HOLDER`. */
  readonly leases: string;
  /** Hash: name of a lease to the number of its last holder. */
  readonly fences: string;
  /** Which incarnation alone may append, for some milliseconds. */
  readonly turn: string;
  /** Hash: node to `UNTIL EPOCH OFFSET`, for a rebuild. */
  readonly nodes: string;
  /** Written before it is asked which replicas have everything. */
  readonly wait: string;
  /** What the rehearsal of a new connection writes and takes away. */
  readonly rehearsal: string;
  /** Hashes. */
  readonly tables: Readonly<Record<TableName, string>>;
}

export function keyNames(logName: string): KeyNames {
  const prefix = `latchkey:${logName}:`;
  const under = (name: string) => `${prefix}${name}`;
  const tables = Object.fromEntries(TABLE_NAMES.map((name) => [name, under(`table:${name}`)]));
  return {
    prefix,
    head: under('head'),
    epochs: under('epochs'),
    changes: under('changes'),
    marks: under('marks'),
    heads: under('heads'),
    index: under('index'),
    writers: under('writers'),
    leases: under('leases'),
    fences: under('fences'),
    turn: under('turn'),
    nodes: under('nodes'),
    wait: under('wait'),
    rehearsal: under('rehearsal'),
    tables: tables as Record<TableName, string>,
  };
}

/**
 * Replies to GET, straight from the store's bytes; those that were given twice are kept as they went out, and so is that there is nothing.
 * It stands between the view and the command.
 *
 * Invariant: a kept reply is of an entry that no change has replaced since, and that does not expire; a key among the absent ones has had
 * no change since it was.
 */
import type { Change } from '../../shared/change.ts';
import { payloadToBytes } from '../../shared/payload.ts';
import type { View } from '../../view/view.ts';
import { WRONG_TYPE } from './call.ts';
import type { ReplyWriter } from './reply-writer.ts';
import { liveOf } from './stored-value.ts';

const KEPT_MAX = 2048;
/** So that all of them together stay below 2 MiB. */
const KEPT_BYTES_MAX = 1024;
/** Keys whose last read is remembered, so that only what is read again is kept: else a walk over all keys would keep each. */
const READ_ONCE_MAX = 4096;
/** Keys found absent; all are forgotten when there are so many. */
const ABSENT_MAX = 2048;

export class ValueReplies {
  readonly #view: View;
  readonly #kept = new Map<string, string>();
  readonly #absent = new Set<string>();
  readonly #readOnce = new Float64Array(READ_ONCE_MAX);
  readonly #stop: (() => void)[];

  constructor(view: View) {
    this.#view = view;
    this.#stop = [view.onDurable((changes) => this.#forget(changes))];
    const stop = view.onSkipped?.(() => this.#clear());
    if (stop !== undefined) this.#stop.push(stop);
  }

  close(): void {
    for (const stop of this.#stop) stop();
  }

  /** What GET answers. */
  write(reply: ReplyWriter, key: string): void {
    const kept = this.#kept.get(key);
    if (kept !== undefined) {
      reply.ascii(kept);
      return;
    }
    if (this.#absent.has(key)) {
      reply.null();
      return;
    }
    const stored = this.#view.stored?.(key);
    if (stored === undefined) {
      const entry = liveOf(this.#view.get(key), this.#view.nowMicros());
      if (entry === undefined) this.#rememberAbsent(key);
      writeValue(reply, entry);
      return;
    }
    const { end, expires, record, start } = stored;
    if (expires !== undefined && expires <= this.#view.nowMicros()) reply.null();
    else if (stored.as === 'hash') reply.error(WRONG_TYPE);
    else {
      reply.bulkOf(record, start, end);
      if (expires === undefined && end - start <= KEPT_BYTES_MAX && this.#wasRead(stored.offset)) {
        if (this.#kept.size >= KEPT_MAX) this.#kept.clear();
        this.#kept.set(key, `$${end - start}\r\n${record.toString('latin1', start, end)}\r\n`);
      }
    }
  }

  #wasRead(offset: number): boolean {
    const at = offset % READ_ONCE_MAX;
    if (this.#readOnce[at] === offset) return true;
    this.#readOnce[at] = offset;
    return false;
  }

  #rememberAbsent(key: string): void {
    if (this.#absent.size >= ABSENT_MAX) this.#absent.clear();
    this.#absent.add(key);
  }

  #forget(changes: readonly Change[]): void {
    if (this.#kept.size > 0) for (const { key } of changes) this.#kept.delete(key);
    if (this.#absent.size > 0) for (const { key } of changes) this.#absent.delete(key);
  }

  #clear(): void {
    this.#kept.clear();
    this.#absent.clear();
  }
}

/** The same for an entry that was read otherwise. */
export function writeValue(reply: ReplyWriter, entry: Change | undefined): void {
  const payload = entry?.value;
  if (payload === undefined) reply.null();
  else if (entry?.as === 'hash') reply.error(WRONG_TYPE);
  else if (payload.kind === 'binary') reply.bulk(payloadToBytes(payload));
  else reply.text(payload.data);
}

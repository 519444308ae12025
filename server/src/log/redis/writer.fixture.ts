/** A node as small as can be, for the tests of the store: it knows a head and makes requests of it. */
import { randomBytes } from 'node:crypto';
import type { Change, ChangeDraft, Payload } from '../../shared/change.ts';
import type { AppendAnswer, AppendRequest, Head, KeyWrite, LogRecord, RedisStore, TableWrite } from './redis-store.ts';

export const EMPTY_HEAD: Head = { epoch: '', offset: 0, token: '', nowMicros: 0, runId: '', tombstoneFloor: 0 };

/** What a test says of one change; the rest follows. */
export interface Wish extends Partial<Omit<ChangeDraft, 'key'>> {
  readonly key: string;
  /** Offset of the key's last change before; 0 where the test does not care. */
  readonly previous?: number;
  readonly plain?: KeyWrite['plain'];
  readonly expects?: KeyWrite['expects'];
}

export interface RequestParts extends Partial<Omit<AppendRequest, 'record' | 'head'>> {
  readonly head?: Head;
  readonly record?: Partial<LogRecord>;
  readonly tables?: readonly TableWrite[];
}

export const json = (data: unknown): Payload => ({ kind: 'json', data: JSON.stringify(data) });

export class Writer {
  readonly store: RedisStore;
  readonly incarnation = randomBytes(6).toString('hex');
  head = EMPTY_HEAD;
  #sequence = 0;
  #runId = '';
  readonly #known = new Set<string>();

  constructor(store: RedisStore) {
    this.store = store;
  }

  /** A put of each key, unless the wish says otherwise; a key is `known` once it was appended here. */
  async request(wishes: readonly Wish[], parts: RequestParts = {}): Promise<AppendRequest> {
    const { record = {}, tables = [], ...rest } = parts;
    const facts = await this.store.facts();
    this.#runId = facts.runId;
    const head = parts.head ?? this.head;
    const nowMicros = record.nowMicros ?? Math.max(facts.timeMicros, head.nowMicros);
    const changes = wishes.map((wish, index) => changeOf(wish, head.offset + 1 + index, nowMicros));
    this.#sequence += 1;
    return {
      head,
      keys: wishes.map((wish, index) => this.#keyWrite(wish, changes[index] as Change)),
      fences: [],
      collected: [],
      epochs: [],
      writer: { incarnation: this.incarnation, sequence: this.#sequence },
      wantsTurn: false,
      ...rest,
      record: {
        first: head.offset + 1,
        last: head.offset + Math.max(1, changes.length),
        token: randomBytes(12).toString('base64url'),
        nowMicros,
        epoch: head.runId === facts.runId ? undefined : randomBytes(6).toString('hex'),
        tombstoneFloor: undefined,
        changes,
        tables,
        ...record,
      },
    };
  }

  /** Sends it, and knows what came of it. */
  async append(request: AppendRequest): Promise<AppendAnswer> {
    const answer = await this.store.append(request);
    if (answer.kind !== 'appended') return answer;
    const { rebased } = answer;
    if (rebased === undefined) this.know(request);
    else {
      const { first, nowMicros } = rebased;
      const { record } = request;
      this.know({ ...request, record: { ...record, first, last: first + record.last - record.first, nowMicros } });
    }
    return answer;
  }

  /** That it was carried out. */
  know({ head, keys, record }: AppendRequest): void {
    for (const { change } of keys) this.#known.add(change.key);
    this.head = {
      epoch: record.epoch ?? head.epoch,
      offset: record.last,
      token: record.token,
      nowMicros: record.nowMicros,
      runId: this.#runId,
      tombstoneFloor: record.tombstoneFloor ?? head.tombstoneFloor,
    };
  }

  /** That the log has it. */
  learn(key: string): void {
    this.#known.add(key);
  }

  knows(key: string): boolean {
    return this.#known.has(key);
  }

  async put(...wishes: readonly Wish[]): Promise<AppendAnswer> {
    return this.append(await this.request(wishes));
  }

  #keyWrite(wish: Wish, change: Change): KeyWrite {
    const expects = wish.expects ?? (this.#known.has(wish.key) ? { kind: 'known' } : { kind: 'unseen' });
    return { change, previous: change.previous, plain: wish.plain ?? plainOf(change), expects };
  }
}

function changeOf({ expects: _expects, plain: _plain, ...wish }: Wish, offset: number, nowMicros: number): Change {
  const isRemove = wish.op === 'remove';
  return {
    op: 'put',
    partition: 0,
    offset,
    previous: 0,
    valueOffset: offset,
    value: isRemove ? undefined : json({ at: offset }),
    reason: isRemove ? 'deleted' : undefined,
    updated: { micros: nowMicros },
    decided: nowMicros,
    ...wish,
  };
}

function plainOf(change: Change): KeyWrite['plain'] {
  if (change.value === undefined) return { kind: 'remove' };
  return { kind: 'set', value: change.value, expires: change.expires };
}

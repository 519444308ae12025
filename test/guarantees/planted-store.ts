/** Bugs between a node and the Redis that it shares with others: in what is appended, and in what is taken over. */
import { randomUUID } from 'node:crypto';
import { LatchkeyError } from '@latchkey/client';
import type { AppendAnswer, AppendRequest, LogRecord, RedisStore } from '../../server/src/log/redis/redis-store.ts';
import type { Strikes } from './planted-bugs.ts';

/** The store with some of its calls replaced. */
function withCalls(store: RedisStore, own: Partial<RedisStore>): RedisStore {
  return new Proxy(store, {
    get(target, name) {
      const found: unknown = Reflect.get(name in own ? own : target, name);
      return typeof found === 'function' ? found.bind(target) : found;
    },
  });
}

const named = ({ record }: AppendRequest) => `${record.first} to ${record.last}`;
/** What begins an epoch is nobody's write. */
const isWrite = ({ record }: AppendRequest) => record.changes.length > 0;

/** What time alone would change at one node and at no other kept a run from its end. */
const isLasting = ({ record }: AppendRequest) =>
  record.changes.every(({ expires, valid }) => expires === undefined && valid === undefined);

/** The node takes for written what the Redis never saw: once, as a run whose last write is lost has no end to wait for. */
export function answerUnwritten(store: RedisStore, strikes: Strikes): RedisStore {
  let isStruck = false;
  return withCalls(store, {
    append(request) {
      if (isStruck || !isWrite(request) || !isLasting(request) || !strikes(named(request)))
        return store.append(request);
      isStruck = true;
      return Promise.resolve({ kind: 'appended' });
    },
  });
}

/** An answer is lost, and neither the Redis nor the node itself knows the request again when it comes a second time. */
export function forgetWriter(store: RedisStore, strikes: Strikes): RedisStore {
  const lost = new Set<number>();
  return withCalls(store, {
    async append(request): Promise<AppendAnswer> {
      const { writer } = request;
      if (lost.delete(writer.sequence)) {
        const again = await store.append({ ...request, writer: { ...writer, incarnation: randomUUID().slice(0, 8) } });
        if (again.kind !== 'moved') return again;
        return { ...again, records: again.records.map((record) => ({ ...record, token: `${record.token}-` })) };
      }
      const answer = await store.append(request);
      if (answer.kind !== 'appended' || !isWrite(request) || !strikes(named(request))) return answer;
      lost.add(writer.sequence);
      throw new LatchkeyError('not-ready', 'planted: the answer was lost');
    },
  });
}

/** A change is in the log, and the plain key is left as it was. */
export function leavePlainKey(store: RedisStore, strikes: Strikes): RedisStore {
  return withCalls(store, {
    append: (request) =>
      store.append({
        ...request,
        keys: request.keys.map((key) =>
          key.plain.kind === 'set' && strikes(key.change.key) ? { ...key, plain: { kind: 'none' } as const } : key,
        ),
      }),
  });
}

/** What other nodes answered under idempotency keys is not taken over. */
export function forgetOthersKeys(store: RedisStore, strikes: Strikes): RedisStore {
  const without = (records: readonly LogRecord[]) =>
    records.map((record) => {
      const tables = record.tables.filter(({ table }) => table !== 'idempotency');
      return tables.length < record.tables.length && strikes(`of ${record.first}`) ? { ...record, tables } : record;
    });
  return withCalls(store, {
    async append(request) {
      const answer = await store.append(request);
      return answer.kind === 'moved' ? { ...answer, records: without(answer.records) } : answer;
    },
    async tail(after, options) {
      const records = await store.tail(after, options);
      return records === 'behind' ? records : without(records);
    },
  });
}

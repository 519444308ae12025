/**
 * The floor of writing to the log `redis`: the append script alone, values of about 200 bytes over 10,000 keys, so many changes a call
 * and so many calls on their way. Prints changes, seconds, and CPU microseconds of this process and of the Redis as JSON.
 *
 *   node --conditions=source server/src/log/redis/append-floor.fixture.ts URL SECONDS CHANGES DEPTH
 */
import { randomBytes } from 'node:crypto';
import type { Change } from '../../shared/change.ts';
import { RedisConnection } from '../../shared/redis/connection.ts';
import { parseInfo, textOfReply } from '../../shared/redis/reply.ts';
import type { AppendRequest, Head } from './redis-store.ts';
import { openRedisStore } from './store.ts';

const [url = 'redis://127.0.0.1:6390', seconds = '3', changes = '200', depth = '1'] = process.argv.slice(2);
const KEYS = 10_000;
const VALUE = { kind: 'json', data: JSON.stringify({ text: 'x'.repeat(180) }) } as const;

const place = { url, sentinels: [], sentinelName: '', caFile: '' };
const store = openRedisStore({ place, name: 'floor' });
const probe = new RedisConnection({ place, name: 'floor-probe' });
await Promise.all([store.up(5000), probe.up(5000)]);
await probe.send(['FLUSHALL']);

const usage = async () => {
  const info = parseInfo(textOfReply(await probe.send(['INFO', 'cpu'])) ?? '');
  return (Number(info.get('used_cpu_user')) + Number(info.get('used_cpu_sys'))) * 1_000_000;
};
const incarnation = randomBytes(6).toString('hex');
const facts = await store.facts();
let aheadMicros = performance.now() * 1000 - facts.timeMicros;
let head: Head = { epoch: '', offset: 0, token: '', nowMicros: 0, runId: '', tombstoneFloor: 0 };
let sequence = 0;

/** The next append is decided on the head that the one before will leave, so several can be on their way. */
function next(): AppendRequest {
  const nowMicros = Math.max(head.nowMicros, Math.floor(performance.now() * 1000 - aheadMicros) - 1000);
  const first = head.offset + 1;
  const list: Change[] = [];
  for (let offset = first; offset < first + Number(changes); offset += 1) {
    list.push({
      op: 'put',
      key: `bench.${offset % KEYS}`,
      partition: 0,
      offset,
      previous: Math.max(0, offset - KEYS),
      valueOffset: offset,
      value: VALUE,
      updated: { micros: nowMicros },
      decided: nowMicros,
      origin: 'http:127.0.0.1:40000',
    });
  }
  const last = first + list.length - 1;
  const epoch = sequence === 0 ? 'floor' : undefined;
  const token = randomBytes(12).toString('base64url');
  const request: AppendRequest = {
    head,
    record: { first, last, token, nowMicros, epoch, tombstoneFloor: undefined, changes: list, tables: [] },
    keys: list.map((change) => ({
      change,
      plain: { kind: 'set', value: VALUE, expires: undefined },
      previous: change.previous,
      expects: { kind: change.previous === 0 ? 'unseen' : 'known' },
    })),
    fences: [],
    collected: [],
    epochs: [],
    writer: { incarnation, sequence },
    wantsTurn: false,
  };
  sequence += 1;
  head = { ...head, epoch: 'floor', offset: last, token, nowMicros, runId: facts.runId };
  return request;
}

let isOver = false;
async function write(): Promise<void> {
  while (!isOver) {
    const answer = await store.append(next());
    if (answer.kind !== 'appended') throw new Error(JSON.stringify(answer).slice(0, 500));
  }
}

await store.append(next());
const startOffset = head.offset;
const [before, redisBefore, started] = [process.cpuUsage(), await usage(), performance.now()];
const loops = Array.from({ length: Number(depth) }, write);
setTimeout(() => {
  isOver = true;
}, Number(seconds) * 1000);
await Promise.all(loops);
const elapsed = (performance.now() - started) / 1000;
const { system, user } = process.cpuUsage(before);
const redisMicros = (await usage()) - redisBefore;
const count = head.offset - startOffset;
aheadMicros = 0;
probe.close();
await store.close();
process.stdout.write(`${JSON.stringify({ count, seconds: elapsed, cpuMicros: user + system, redisMicros })}\n`);

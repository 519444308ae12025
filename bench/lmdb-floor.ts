/**
 * The floor of ingest: LMDB alone, the record of a change and the place of its key, 1,000 changes a transaction, each flushed, over
 * 10,000 keys.
 * Prints changes, seconds and CPU microseconds as JSON.
 *
 *   node bench/lmdb-floor.ts FOLDER SECONDS
 */
import { join } from 'node:path';
import { open } from 'lmdb';
import { VALUE_TEXT } from './load.ts';

const [folder = '.', seconds = '3'] = process.argv.slice(2);
const BATCH = 1000;
const KEYS = 10_000;
const root = open<Buffer, Buffer>({
  path: join(folder, 'floor.mdb'),
  noSubdir: true,
  encoding: 'binary',
  keyEncoding: 'binary',
  maxDbs: 4,
  overlappingSync: false,
});
const places = root.openDB<Buffer, Buffer>({ name: 'places', encoding: 'binary', keyEncoding: 'binary' });
const records = root.openDB<Buffer, Buffer>({ name: 'records', encoding: 'binary', keyEncoding: 'binary' });
const value = Buffer.from(VALUE_TEXT);

let offset = 0;
const started = performance.now();
const before = process.cpuUsage();
while (performance.now() - started < Number(seconds) * 1000) {
  await root.batch(() => {
    for (let index = 0; index < BATCH; index += 1) {
      offset += 1;
      const at = Buffer.alloc(8);
      at.writeBigUInt64BE(BigInt(offset));
      void records.put(at, value);
      void places.put(Buffer.from(`bench.${offset % KEYS}`), at);
    }
  });
}
const { system, user } = process.cpuUsage(before);
const result = { count: offset, seconds: (performance.now() - started) / 1000, cpuMicros: user + system };
await root.close();
process.stdout.write(`${JSON.stringify(result)}\n`);

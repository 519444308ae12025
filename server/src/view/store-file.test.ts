import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { openEnvironment, STORE_FILE } from './environment.ts';
import { Room } from './room.ts';
import { checkStoreFile } from './store-file.ts';

const PAGE_BYTES = 4096;
const HEAD_BYTES = 2 * PAGE_BYTES;
const SEED = 4711;
/** More than the store grows to. */
const ROOM_BYTES = 4 * 1024 * 1024;

describe('the file of a store', () => {
  const root = mkdtempSync(join(tmpdir(), 'latchkey-store-file-'));
  after(() => rmSync(root, { recursive: true, force: true }));
  const file = join(root, STORE_FILE);
  let whole: Buffer = Buffer.alloc(0);

  before(async () => {
    const environment = openEnvironment(root);
    const usedBytes = () =>
      ((environment.root.getStats() as { lastPageNumber: number }).lastPageNumber + 1) * PAGE_BYTES;
    // As a store does: LMDB counts pages behind the end that it freed in the step that took them, and never wrote.
    await new Room(file, usedBytes).make(ROOM_BYTES);
    const big = environment.database('big');
    const small = environment.database('small');
    // It passes in every state that a store goes through.
    for (let step = 0; step < 30; step += 1) {
      const writes = Array.from({ length: 60 }, (_value, index) =>
        big.put(Buffer.from(`key.${step * 7 + index * 31}`), Buffer.alloc((step * index) % 900, step)),
      );
      await Promise.all([...writes, small.put(Buffer.from(`key.${step}`), Buffer.alloc(step * 500, step))]);
      checkStoreFile(file);
    }
    await Promise.all(Array.from({ length: 1500 }, (_value, index) => big.remove(Buffer.from(`key.${index}`))));
    checkStoreFile(file);
    const used = usedBytes();
    await environment.root.close();
    whole = readFileSync(file).subarray(0, used);
  });

  /** Of the pages that some tree is made of, the two edges of each tree. */
  const refused = (bytes: Buffer): string | undefined => {
    writeFileSync(file, bytes);
    try {
      checkStoreFile(file);
      return undefined;
    } catch (error) {
      assert.ok(error instanceof LatchkeyError && error.code === 'data-corrupt', String(error));
      return error.message;
    }
  };

  // LMDB itself ended the process at some of them: with a failed assertion, a segmentation fault, or a heap that it had damaged.
  test('is refused whatever stands where its trees should be', () => {
    for (let fill = 0; fill < 256; fill += 1)
      assert.match(
        refused(Buffer.from(whole).fill(fill, HEAD_BYTES)) ?? '',
        /not a readable Latchkey store: page \d+ is another/,
      );
  });

  test('is refused for a page in the place of another', () => {
    const bytes = Buffer.from(whole);
    const last = bytes.length - PAGE_BYTES;
    for (let at = HEAD_BYTES; at < last; at += PAGE_BYTES) whole.copy(bytes, at, at + PAGE_BYTES, at + 2 * PAGE_BYTES);
    assert.match(refused(bytes) ?? '', /page \d+ is another one, or none/);
  });

  test(`is refused or passes, and nothing else, wherever bytes of it are wrong (seed ${SEED})`, () => {
    let state = SEED;
    const random = (below: number): number => {
      state = (state * 48_271) % 2_147_483_647;
      return state % below;
    };
    let found = 0;
    for (let round = 0; round < 300; round += 1) {
      const bytes = Buffer.from(whole);
      // Heads of pages are where most of the harm lies.
      for (let count = 0; count < 20; count += 1) {
        const page = random(bytes.length / PAGE_BYTES) * PAGE_BYTES;
        bytes[page + random(round % 2 === 0 ? 64 : PAGE_BYTES)] = random(256);
      }
      if (refused(bytes) !== undefined) found += 1;
    }
    assert.ok(found > 30, `${found} of 300 were found`);
  });
});

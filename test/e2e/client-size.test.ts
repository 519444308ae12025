import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { bundleClient } from '../support/client-bundle.ts';

const KIB = 1024;

/** What a page pays for what it imports. Printed, so that `npm test -- client-size` tells where it stands. */
const BUDGETS: readonly (readonly [string, string, number])[] = [
  ['watch', "export { connect, watch } from '@latchkey/client';", 8 * KIB],
  ['watch and mirror', "export { connect, watch, mirror } from '@latchkey/client';", 9.5 * KIB],
  ['everything', "export * from '@latchkey/client';", 13 * KIB],
];

describe('the size of the client, bundled, minified and gzipped', () => {
  for (const [name, code, bytesMax] of BUDGETS) {
    test(`${name} stays within ${bytesMax / KIB} KiB`, async (scope) => {
      const bytes = gzipSync(await bundleClient(code), { level: 9 }).length;
      scope.diagnostic(`${name}: ${bytes} bytes of at most ${bytesMax}`);
      assert.ok(bytes <= bytesMax, `${bytes} bytes`);
    });
  }

  test('a page that only watches loads neither mirrors, nor calls, nor the sentences about errors', async () => {
    const text = Buffer.from(await bundleClient("export { connect, watch } from '@latchkey/client';")).toString();
    for (const word of ['entriesMax', 'v1/commands', 'A bug in Latchkey', 'history of epoch'])
      assert.equal(text.includes(word), false, word);
  });
});

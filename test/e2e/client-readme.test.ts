// What the client's README shows, run as it stands.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ROOT, runToEnd, ServerProcess } from '../support/server-process.ts';

const README = readFileSync(join(ROOT, 'client/README.md'), 'utf8');
const EXAMPLES = [...README.matchAll(/^#+ (.*)$|^```js\n([\s\S]*?)^```$/gm)];

/** What each prints, by the heading it stands under; times and versions are not compared. */
const PRINTS: Readonly<Record<string, RegExp>> = {
  '@latchkey/client': /^21\.5 \w+\.\d+\n$/,
  Watch: /^put sensor\.1 \{ temp: 21\.5 \}\n/,
  Mirror: /^2 live\n\{ temp: 19 \}\n$/,
  'Small pages': /^$/,
};

describe('the examples of client/README.md', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start();
  });
  after(() => server.dispose());

  let heading = '';
  for (const [, title, code] of EXAMPLES) {
    heading = title ?? heading;
    if (code === undefined) continue;
    const name = heading;
    test(`${name}: runs, ends, and prints what it says`, async () => {
      const input = code.replaceAll('http://127.0.0.1:23333', server.url);
      const command = [process.execPath, '--conditions=source', '--input-type=module', '-'];
      const { code: exit, stderr, stdout } = await runToEnd(command, { cwd: ROOT, input });
      assert.deepEqual([exit, stderr], [0, '']);
      assert.match(stdout, PRINTS[name] as RegExp);
    });
  }

  test('are all there', () => {
    assert.equal(EXAMPLES.filter(([, , code]) => code !== undefined).length, Object.keys(PRINTS).length);
  });
});

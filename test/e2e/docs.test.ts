// What the documents show is run as it stands, and prints what they say, but for times, epochs and the like.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { masked, PageShell, stepsOf } from '../support/page-commands.ts';
import { ServerProcess } from '../support/server-process.ts';

const PAGES = ['README.md', 'docs/start.md', 'docs/coming-from-kv-store.md', 'docs/coming-from-redis-cache-sync.md'];

for (const page of PAGES) {
  describe(`the commands of ${page}`, { timeout: 60_000 }, () => {
    const steps = stepsOf(page);
    let server: ServerProcess;
    let shell: PageShell;
    before(async () => {
      // `progress` comes when it comes, between what the pages show.
      server = await ServerProcess.start({ env: { LATCHKEY_FEED_PROGRESS_INTERVAL: '10m' } });
      shell = await PageShell.open(server, steps);
    });
    after(async () => {
      shell.close();
      await server.dispose();
    });

    for (const step of steps) {
      test(step.kind === 'goes-on' ? `${step.command} goes on` : step.command, async () => {
        assert.equal(await shell.run(step), masked(step.expected));
      });
    }

    test('are there', () => assert.ok(steps.length > 0));
  });
}

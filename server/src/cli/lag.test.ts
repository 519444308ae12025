import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runLatchkey } from '../../../test/support/server-process.ts';
import { fakeServer, json } from './fake-server.fixture.ts';

test('lag tells who is behind the log, in a table and in JSON', async (t) => {
  const sources = [{ name: 'ems', kind: 'kafka', ready: false, reason: 'the broker is away' }];
  const sinks = [{ name: 'notify', kind: 'redis', ready: true }];
  const server = await fakeServer(t, (_asked, response) =>
    json(response, {
      log: { kind: 'local', epoch: 'k3x9', head: 1042 },
      sources,
      sinks,
      feed: { watchers: 1200, groups: 3, behind: 2 },
    }),
  );
  const got = await runLatchkey(['lag', '--server', server.url]);
  assert.deepEqual(
    got.stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(/ {2,}/g, '  ')),
    [
      'WHAT  NAME  STATE',
      'log  k3x9  head 1,042',
      'watchers  2 of 1,200 behind',
      'source  ems  kafka, not ready: the broker is away',
      'sink  notify  redis, ready',
    ],
  );
  const asJson = await runLatchkey(['lag', '--json', '--server', server.url]);
  assert.deepEqual(JSON.parse(asJson.stdout), {
    epoch: 'k3x9',
    head: 1042,
    watchers: { count: 1200, behind: 2 },
    sources,
    sinks,
  });
});

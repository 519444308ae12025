import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runLatchkey, temporaryFolder } from '../../../test/support/server-process.ts';
import { type Answer, fakeServer, json } from './fake-server.fixture.ts';

const LINES = '{"key":"a","value":1.0}\n{"key":"b","value":[2]}\n';

const entries: Answer = ({ url }, response) => {
  if (url.startsWith('/v1/status')) return json(response, { view: { keys: 2 } });
  response.writeHead(200, { 'content-type': 'application/x-ndjson', 'latchkey-position': 'k3x9.7' });
  response.end(LINES);
};

test('entries go to standard output as the server wrote them, and what is said of them does not', async (t) => {
  const server = await fakeServer(t, entries);
  for (const args of [['export'], ['export', '-']]) {
    const got = await runLatchkey([...args, '--server', server.url]);
    assert.deepEqual([got.stdout, got.code], [LINES, 0]);
    assert.equal(got.stderr, '2 entries; a watch from k3x9.7 shows what changed since it began\n');
  }
  await runLatchkey(['export', '--prefix', 'a', '--pattern', '*b', '--server', server.url]);
  assert.equal(server.asked.at(-1)?.url, '/v1/keys?prefix=a&pattern=*b');
  assert.equal(server.asked.at(-1)?.headers.accept, 'application/x-ndjson');
});

test('a file is whole, and --json says what is in it', async (t) => {
  const folder = temporaryFolder(t);
  const server = await fakeServer(t, entries);
  const file = join(folder, 'out.ndjson');
  const got = await runLatchkey(['export', file, '--server', server.url, '--json']);
  assert.deepEqual(JSON.parse(got.stdout), { entries: 2, position: 'k3x9.7', file });
  assert.equal(readFileSync(file, 'utf8'), LINES);
});

test('an answer that breaks off leaves no file and is an error that says so', async (t) => {
  const folder = temporaryFolder(t);
  const server = await fakeServer(t, (asked, response) => {
    if (asked.url.startsWith('/v1/status')) return entries(asked, response);
    response.writeHead(200, { 'content-length': 1000 });
    response.write(LINES, () => response.destroy());
  });
  const file = join(folder, 'out.ndjson');
  for (const args of [['export', file], ['export']]) {
    const got = await runLatchkey([...args, '--server', server.url]);
    assert.equal(got.code, 6);
    assert.match(got.stderr, /broke after 2 entries; the export is not whole/);
  }
  assert.ok(!existsSync(file));
  assert.deepEqual(readdirSync(folder), []);
  const nowhere = await runLatchkey(['export', join(folder, 'no/out'), '--server', (await fakeServer(t, entries)).url]);
  assert.equal(nowhere.code, 2);
  assert.match(nowhere.stderr, /out cannot be written \(ENOENT\)/);
});

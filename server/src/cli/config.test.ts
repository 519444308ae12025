import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { runLatchkey, temporaryFolder } from '../../../test/support/server-process.ts';
import { fakeServer, json } from './fake-server.fixture.ts';

describe('config show', () => {
  test('is a table of what is in effect and where it comes from, and JSON with --json', async (t) => {
    const cwd = temporaryFolder(t);
    writeFileSync(join(cwd, 'latchkey.yaml'), 'limits: { valueBytesMax: 64KiB }\nclusterLabel: env:LABEL\n');
    const env = { LABEL: 'hush' };
    const got = await runLatchkey(['config', 'show', '--given', '--port', '81'], { cwd, env });
    assert.equal(
      got.stdout,
      [
        'SETTING               VALUE      FROM',
        'http.port             81         --port',
        'limits.valueBytesMax  64KiB      latchkey.yaml line 1',
        'clusterLabel          env:LABEL  latchkey.yaml line 2',
        '',
      ].join('\n'),
    );
    const all = await runLatchkey(['config', 'show', '--json'], { cwd, env });
    const settings = JSON.parse(all.stdout) as Record<string, unknown>;
    assert.deepEqual(settings['limits.valueBytesMax'], { value: '64KiB', origin: 'latchkey.yaml line 1' });
    assert.deepEqual(settings['http.port'], { value: 23333, origin: 'default' });
    assert.doesNotMatch(all.stdout, /hush/);
  });
});

describe('config check', () => {
  test('does not print what a reference leads to', async () => {
    const env = { LABEL: 'hush', LATCHKEY_CLUSTER_LABEL: 'env:LABEL' };
    const got = await runLatchkey(['config', 'check', '--json'], { env });
    assert.equal((JSON.parse(got.stdout) as { clusterLabel: string }).clusterLabel, 'env:LABEL');
    assert.doesNotMatch(got.stdout, /hush/);
  });

  test('--connect tries the port and the data directory, and leaves nothing behind', async (t) => {
    const cwd = temporaryFolder(t);
    const fine = await runLatchkey(['config', 'check', '--connect', '--port', '0'], { cwd });
    assert.equal(fine.code, 0, fine.stderr);
    assert.equal(fine.stderr, `data: ${join(cwd, 'latchkey-data')} will be made\nhttp: 127.0.0.1 can be listened on\n`);
    assert.deepEqual(readdirSync(cwd), []);
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    t.after(() => taken.close());
    const { port } = taken.address() as AddressInfo;
    writeFileSync(join(cwd, 'file'), '');
    const args = ['config', 'check', '--connect', '--port', String(port), '--data', join(cwd, 'file')];
    const wrong = await runLatchkey(args, { cwd });
    assert.equal(wrong.code, 1);
    assert.equal(wrong.stdout, '');
    assert.match(
      wrong.stderr,
      /2 things are not as configured:\n {2}data: .*file is no directory.*\n {2}http: 127\.0\.0\.1:\d+ is taken: does a server run there already\?/,
    );
  });

  test('--connect tells a directory that cannot be written', async (t) => {
    const cwd = temporaryFolder(t);
    mkdirSync(join(cwd, 'own'));
    chmodSync(join(cwd, 'own'), 0o555);
    chmodSync(cwd, 0o755);
    const args = ['config', 'check', '--connect', '--port', '0', '--data', join(cwd, 'own')];
    // Root may write anywhere.
    const got = await runLatchkey(args, { cwd, ...(process.getuid?.() === 0 ? { uid: 65_534 } : {}) });
    assert.equal(got.code, 1, got.stderr);
    assert.match(got.stderr, /own can't be written \(EACCES\)/);
  });
});

test('config schema prints a JSON Schema', async () => {
  const { stdout } = await runLatchkey(['config', 'schema']);
  assert.equal((JSON.parse(stdout) as { title: string }).title, 'latchkey.yaml');
});

test('a token may stand in a file or a variable, and one that is not there is told', async (t) => {
  const cwd = temporaryFolder(t);
  writeFileSync(join(cwd, 'token'), 'hush\n');
  const server = await fakeServer(t, (_asked, response) => json(response, '1'));
  const get = (token: string) =>
    runLatchkey(['get', 'a', '--server', server.url, '--token', token], { cwd, env: { OURS: 'hush' } });
  await get('file:token');
  await get('env:OURS');
  await get('file:hush');
  assert.deepEqual(
    server.asked.map(({ headers }) => headers.authorization),
    ['Bearer hush', 'Bearer hush'],
  );
  assert.match((await get('env:GONE')).stderr, /--token refers to the variable GONE, which is not set/);
});

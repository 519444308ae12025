import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BIN, ROOT, runLatchkey, runToEnd } from '../../../test/support/server-process.ts';

test('an older Node is told so in one clear line, with exit code 2', async () => {
  const older = `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.1.0'}})`;
  for (const bin of [BIN, join(ROOT, 'server/bin/kvs-cli.js')]) {
    const got = await runToEnd([process.execPath, '--import', older, bin, '--help']);
    assert.equal(got.code, 2);
    assert.match(got.stderr, /^latchkey needs Node\.js 22\.22 or newer, but this is 20\.1\.0 .*\n$/);
  }
});

test('--version is the version of the package', async () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'server/package.json'), 'utf8')) as { version: string };
  assert.equal((await runLatchkey(['--version'])).stdout, `${version}\n`);
});

test('commands towards a server do not load what only the server needs', async () => {
  const listing = `data:text/javascript,import{registerHooks}from'node:module';registerHooks({load(u,c,n){process.stderr.write('loaded '+u+'\\n');return n(u,c)}})`;
  const got = await runToEnd([
    process.execPath,
    '--import',
    listing,
    BIN,
    'get',
    'a',
    '--server',
    'http://127.0.0.1:1',
  ]);
  assert.equal(got.code, 6);
  assert.match(got.stderr, /loaded .*cli\/get\.ts/);
  assert.doesNotMatch(got.stderr, /loaded .*(zod|pino|fastify|lmdb|main\.ts.*server\/src\/main)/);
});

test('config check prints the settings that serve would take', async () => {
  const got = await runLatchkey(['config', 'check', '--port', '81'], { env: { CLUSTER: 'blue' } });
  const settings = JSON.parse(got.stdout) as { http: { port: number }; clusterLabel: string };
  assert.deepEqual([settings.http.port, settings.clusterLabel], [81, 'blue']);
});

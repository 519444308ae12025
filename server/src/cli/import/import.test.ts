import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BIN, cleanEnvironment, runLatchkey, temporaryFolder } from '../../../../test/support/server-process.ts';
import { fakeServer, json } from '../fake-server.fixture.ts';

const AWAY = ['--server', 'http://127.0.0.1:1'];

test('what is wrong with the command line is told before anything is sent', async (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, 'a.csv');
  writeFileSync(file, 'id\n1\n');
  const wrong: [string[], RegExp][] = [
    [[join(folder, 'no.csv')], /There is no file .*no\.csv; - reads standard input/],
    [[folder], /is a directory; import takes one file/],
    [[file, '--format', 'xml'], /--format takes ndjson, json, csv, but got "xml"/],
    [[file, '--delimiter', '§'], /--delimiter takes one ASCII character, but got "§"/],
    [[file, '--delimiter', ''], /--delimiter takes one ASCII character, but got ""/],
    [[file, '--omit', 'id'], /--omit goes with --key/],
    [[file, '--wait', '60'], /--wait takes a duration with its unit: write 60s or 60ms/],
    [[file, '--name', 'a b'], /--name takes 1 to 200 ASCII characters without spaces/],
    [[], /[Mm]issing required argument 'file'/],
  ];
  for (const [args, says] of wrong) {
    const got = await runLatchkey(['import', ...args, ...AWAY]);
    assert.equal(got.code, 2, `${args.join(' ')}: ${got.stderr}`);
    assert.match(got.stderr, says);
  }
});

test('a server that is not there at the start is not waited for', async (t) => {
  const file = join(temporaryFolder(t), 'a.ndjson');
  writeFileSync(file, '{"op":"put","key":"a","value":1}\n');
  const got = await runLatchkey(['import', file, ...AWAY]);
  assert.equal(got.code, 6);
  assert.match(got.stderr, /^error: No answer from .*latchkey serve/);
});

test('a server that goes away for too long ends it with how to go on', async (t) => {
  const file = join(temporaryFolder(t), 'a.ndjson');
  const input = '{"op":"put","key":"a","value":1}\n';
  writeFileSync(file, input);
  const server = await fakeServer(t, ({ url }, response) =>
    url.startsWith('/v1/sources')
      ? json(response, { progress: {} })
      : json(response, { error: { code: 'storage-full', message: 'The disk is full.' } }, 503),
  );
  const run = (from: string, ...more: string[]) =>
    runLatchkey(['import', from, '--server', server.url, '--wait', '0', ...more], { input });
  const got = await run(file);
  assert.equal(got.code, 6);
  assert.match(got.stderr, /^error: The disk is full\. To go on, run the same command again\.\n$/);
  assert.match(
    (await run('-')).stderr,
    /To go on, give the same input from its beginning and --name import:stdin-[0-9a-f]{8}\.\n$/,
  );
  assert.match((await run('-', '--name', 'x')).stderr, /To go on, give the same input from its beginning\.\n$/);
});

test('what ends it ends it at once, also while a pipe holds back the next rows', async (t) => {
  const moved = { error: { code: 'progress-mismatch', message: 'Moved.', progress: '70:7,50:5' } };
  const server = await fakeServer(t, ({ url }, response) =>
    url.startsWith('/v1/sources') ? json(response, { progress: {} }) : json(response, moved, 409),
  );
  const child = spawn(process.execPath, [BIN, 'import', '-', '--server', server.url], {
    cwd: temporaryFolder(t),
    env: cleanEnvironment(),
    stdio: ['pipe', 'ignore', 'ignore'],
    timeout: 20_000,
    killSignal: 'SIGKILL',
  });
  // More than a batch, and never the end.
  child.stdin.write('{"op":"put","key":"a","value":1}\n'.repeat(1500));
  assert.deepEqual(await once(child, 'close'), [4, null]);
});

test('files that cannot be read or written are told by name, and a fresh import leaves no rejects of an old one', async (t) => {
  const folder = temporaryFolder(t);
  chmodSync(folder, 0o777);
  const server = await fakeServer(t, ({ url }, response) =>
    url.startsWith('/v1/sources') ? json(response, { progress: {} }) : json(response, ''),
  );
  const file = join(folder, 'a.ndjson');
  writeFileSync(file, 'no json\n');
  const run = (...more: string[]) =>
    // Root may read and write anything.
    runLatchkey(['import', file, '--server', server.url, ...more], process.getuid?.() === 0 ? { uid: 65_534 } : {});
  const rejects = await run('--rejects', join(folder, 'no/rejects'));
  assert.equal(rejects.code, 2);
  assert.match(rejects.stderr, /no\/rejects cannot be written \(ENOENT\)/);
  const told = await run();
  assert.equal(told.code, 1);
  assert.ok(existsSync(`${file}.rejected.ndjson`));
  writeFileSync(file, ' \n');
  assert.equal((await run()).code, 0);
  assert.ok(!existsSync(`${file}.rejected.ndjson`));
  chmodSync(file, 0o000);
  const unread = await run();
  assert.equal(unread.code, 2);
  assert.match(unread.stderr, /a\.ndjson cannot be read \(EACCES\)/);
});

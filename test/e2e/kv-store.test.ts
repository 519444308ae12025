import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ask, put } from '../support/http-client.ts';
import { cleanEnvironment, ROOT, runToEnd, ServerProcess } from '../support/server-process.ts';
import { WebSocketClient } from '../support/websocket-client.ts';

const KVS_CLI = join(ROOT, 'server/bin/kvs-cli.js');

/** As `curl -d` sends it: JSON under a form's content type. */
const curl = (url: string, body: string, method = 'POST') =>
  ask(url, { method, body, headers: { 'content-type': 'application/x-www-form-urlencoded' } });

describe('the kv-store dialect', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start();
  });
  after(() => server.dispose());
  const kvsCli = (...args: string[]) =>
    runToEnd([process.execPath, KVS_CLI, '--server-address', `127.0.0.1:${server.port}`, ...args]);

  test('answers plain curl bodies as the original did', async () => {
    const set = await curl(`${server.url}/set`, '{"Key":"City","Value":"Ahmedabad"}');
    assert.deepEqual([set.status, set.text], [200, '"SUCCESS"\n']);
    const got = await curl(`${server.url}/get`, '{"key":"City"}');
    assert.deepEqual([got.status, got.text], [200, '{"Key":"City","Value":"Ahmedabad"}\n']);
    const absent = await curl(`${server.url}/get`, '{"Key":"nowhere"}');
    assert.equal(absent.status, 500);
    assert.equal(absent.text.trimEnd(), 'The given key is not present in the data store.');
    await curl(`${server.url}/set`, '{"Key":"Area","Value":"Bopal"}');
    const all = await ask(`${server.url}/getall`);
    assert.deepEqual([all.status, all.text], [200, '{"Area":"Bopal","City":"Ahmedabad"}\n']);
    assert.equal((await curl(`${server.url}/getall`, '')).text, all.text);
    const garbage = await curl(`${server.url}/set`, 'Key=City');
    assert.equal(garbage.status, 400);
    assert.equal((await curl(`${server.url}/set`, '{"Key":"City","Value":7}')).status, 400);
    assert.equal((await curl(`${server.url}/set`, '{"Key":"Put","Value":"any method"}', 'PUT')).status, 200);
    await ask(`${server.url}/v1/keys/Put`, { method: 'DELETE' });
  });

  test('subscribers get one frame for every put by any route, live only', async (t) => {
    const socket = await WebSocketClient.open(server.url, '/subscribe');
    t.after(() => socket.close());
    socket.send('Keepalive ping');
    await curl(`${server.url}/set`, '{"Key":"City","Value":"Surat"}');
    await put(server.url, 'Rest', { a: 1 });
    const last = await socket.until('the second put', ({ Value }) => Value === 'Rest: {"a":1}');
    const [first] = socket.frames;
    assert.equal(socket.frames.length, 2);
    assert.deepEqual([first?.Topic, first?.Partition, first?.Value], ['command-log', 0, 'City: Surat']);
    assert.match(String(first?.Key), /^Client address=127\.0\.0\.1:\d+$/);
    assert.ok((last.Offset as number) > (first?.Offset as number));
    await ask(`${server.url}/v1/keys/Rest`, { method: 'DELETE' });
  });

  test('kvs-cli speaks the original’s words', async () => {
    const set = await kvsCli('set', '--key', 'Planet', '--value', 'Saturn');
    assert.deepEqual([set.code, set.stdout.trim(), set.stderr], [0, '"SUCCESS"', '']);
    const got = await kvsCli('get', '-k', 'Planet');
    assert.equal(got.stdout, '{\n    "Key": "Planet",\n    "Value": "Saturn"\n}\n');
    const all = await kvsCli('get');
    assert.equal((JSON.parse(all.stdout) as Record<string, string>).Planet, 'Saturn');
    assert.equal((await kvsCli('get', '--all')).stdout, all.stdout);
    const absent = await kvsCli('get', '--key', 'nowhere');
    assert.equal(absent.code, 1);
    const unreachable = await runToEnd([process.execPath, KVS_CLI, '--server-address', '127.0.0.1:1', 'get']);
    assert.equal(unreachable.code, 1);
  });

  test('kvs-cli watch prints each put, indented, until it is interrupted', async (t) => {
    const args = ['--server-address', `127.0.0.1:${server.port}`, 'watch'];
    const child = spawn(process.execPath, [KVS_CLI, ...args], {
      env: cleanEnvironment(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    const exited = once(child, 'exit');
    let text = '';
    const printed = new Promise<void>((done) => {
      child.stdout.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        if (text.includes('"Value": "Tick: ')) done();
      });
    });
    // Whether it is connected yet shows only by what it prints, so puts go on until the first one is printed.
    let isPrinted = false;
    const putting = (async () => {
      for (let tick = 0; !isPrinted; tick += 1) await curl(`${server.url}/set`, `{"Key":"Tick","Value":"${tick}"}`);
    })();
    await printed;
    isPrinted = true;
    await putting;
    assert.match(text, /^\{\n {4}"Topic": "command-log",\n/m);
    child.kill('SIGINT');
    await exited;
  });
});

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { WebSocketServer } from 'ws';
import { cleanEnvironment, ROOT, runToEnd } from '../../../test/support/server-process.ts';
import { fakeServer, json } from './fake-server.fixture.ts';

const BIN = join(ROOT, 'server/bin/kvs-cli.js');
const kvs = (address: string, ...args: string[]) =>
  runToEnd([process.execPath, BIN, '--server-address', address, ...args]);

test('get prints the pair as JSON indented by four blanks, in the order and the numbers of the answer', async (t) => {
  const server = await fakeServer(t, ({ url }, response) =>
    url === '/getall'
      ? json(response, '{"10":"b","9":"a {x}","City":"A\\"h"}\n')
      : json(response, '{"Key":"City","Value":"Ahmedabad"}\n'),
  );
  const one = await kvs(server.address, 'get', '--key', 'City');
  assert.equal(one.stdout, '{\n    "Key": "City",\n    "Value": "Ahmedabad"\n}\n');
  assert.deepEqual(JSON.parse(server.asked[0]?.body ?? ''), { Key: 'City' });
  assert.equal(server.asked[0]?.method, 'POST');
  const all = '{\n    "10": "b",\n    "9": "a {x}",\n    "City": "A\\"h"\n}\n';
  for (const words of [['--all'], ['-a'], []]) assert.equal((await kvs(server.address, 'get', ...words)).stdout, all);
});

test('an empty store is printed as an empty object', async (t) => {
  const server = await fakeServer(t, (_asked, response) => json(response, '{}\n'));
  assert.equal((await kvs(server.address, 'get')).stdout, '{}\n');
});

test('set sends the pair and prints the text of the answer', async (t) => {
  const server = await fakeServer(t, (_asked, response) => json(response, '"SUCCESS"\n'));
  const got = await kvs(server.address, 'set', '-k', 'City', '-v', 'Bangalore');
  assert.deepEqual([got.stdout, got.code], ['"SUCCESS"\n', 0]);
  assert.deepEqual([server.asked[0]?.url, server.asked[0]?.body], ['/set', '{"Key":"City","Value":"Bangalore"}']);
});

test('every error exits with 1 and says why', async (t) => {
  const reason = 'The given key is not present in the data store.';
  const server = await fakeServer(t, (_asked, response) => response.writeHead(500).end(`${reason}\n`));
  const absent = await kvs(server.address, 'get', '-k', 'x');
  assert.deepEqual([absent.code, absent.stdout, absent.stderr], [1, '', `${reason}\n`]);
  for (const words of [['set', '-k', 'x'], ['gte'], ['get', '--nothing']]) {
    const got = await kvs(server.address, ...words);
    assert.equal(got.code, 1);
    assert.notEqual(got.stderr, '');
  }
  assert.equal((await kvs('127.0.0.1:1', 'get')).code, 1);
  assert.equal((await kvs('127.0.0.1:1', 'watch')).code, 1);
});

test('watch prints each change indented, keeps the connection alive by text, and exits with 1 when it is closed', async (t) => {
  const http = createServer().listen(0, '127.0.0.1');
  await once(http, 'listening');
  const sockets = new WebSocketServer({ server: http, path: '/subscribe' });
  t.after(() => {
    sockets.close();
    http.close();
  });
  const change = {
    Topic: 'command-log',
    Partition: 0,
    Offset: 12,
    Key: 'Client address=127.0.0.1:1',
    Value: 'City: x',
  };
  sockets.on('connection', (socket) => {
    socket.send(JSON.stringify(change));
    socket.once('message', (data, isBinary) => socket.close(1001, isBinary ? 'binary' : String(data)));
    socket.once('message', (data) => pings.push(String(data)));
  });
  const pings: string[] = [];
  const address = `127.0.0.1:${(http.address() as AddressInfo).port}`;
  const args = [BIN, '--server-address', address, 'watch'];
  const child = spawn(process.execPath, args, { env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  const [code] = await once(child, 'close');
  assert.equal(stdout, `${JSON.stringify(change, undefined, 4)}\n`);
  assert.deepEqual(pings, ['Keepalive ping']);
  assert.equal(code, 1);
});

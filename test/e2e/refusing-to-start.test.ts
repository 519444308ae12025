import assert from 'node:assert/strict';
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { get, put } from '../support/http-client.ts';
import { type Finished, runLatchkey, type Scope, ServerProcess, temporaryFolder } from '../support/server-process.ts';

const serve = (data: string, args: readonly string[] = ['--port', '0'], uid?: number): Promise<Finished> =>
  runLatchkey(['serve', '--data', data, ...args], uid === undefined ? {} : { uid });

/** One clear line for the operator, and an exit code that says it failed. */
function assertOneClearLine(finished: Finished, expected: RegExp): void {
  const shown = JSON.stringify(finished, undefined, 2);
  assert.ok(finished.code !== null && finished.code > 0, `no exit code: ${shown}`);
  const lines = finished.stderr.trimEnd().split('\n');
  assert.equal(lines.length, 1, `expected one line on stderr: ${shown}`);
  assert.match(lines[0] as string, expected);
  assert.doesNotMatch(finished.stderr + finished.stdout, /\n\s+at .+:\d+/, 'a stack trace is not for operators');
}

async function usedDirectory(scope: Scope): Promise<string> {
  const data = join(temporaryFolder(scope), 'data');
  mkdirSync(data);
  const server = await ServerProcess.start({ data });
  await put(server.url, 'kept', 'value');
  await server.stop();
  return data;
}

/** The contents of every file, so that a test can say that nothing was destroyed. */
function contents(folder: string): ReadonlyMap<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(folder, name)).isFile(),
  );
  return new Map(files.map((name) => [name, readFileSync(join(folder, name), 'latin1')]));
}

describe('a server that cannot start says why in one line and destroys nothing', () => {
  test('a data directory that another process has open', async (t) => {
    const server = await ServerProcess.start({}, t);
    await put(server.url, 'a', 1);
    const second = await serve(server.data);
    assertOneClearLine(second, /another|in use|already/i);
    assert.ok(second.stderr.includes(server.data), second.stderr);
    assert.equal((await get(server.url, 'a')).text, '1');
  });

  test('a data directory that is not a Latchkey store any more', async (t) => {
    const data = await usedDirectory(t);
    for (const [name, text] of contents(data)) {
      if (text.length > 4096) writeFileSync(join(data, name), Buffer.alloc(text.length, 'garbage '));
    }
    const before = contents(data);
    assertOneClearLine(await serve(data), /not a readable Latchkey store|not a Latchkey/i);
    const after = contents(data);
    for (const [name, text] of before)
      if (text.length > 4096) assert.equal(after.get(name), text, `${name} was changed`);
  });

  test('a data file that was cut short', async (t) => {
    const data = await usedDirectory(t);
    for (const [name, text] of contents(data)) {
      if (text.length > 4096) writeFileSync(join(data, name), Buffer.from(text, 'latin1').subarray(0, 1000));
    }
    assertOneClearLine(await serve(data), /not a readable Latchkey store|not a Latchkey/i);
  });

  test('a path that is a file, not a directory', async (t) => {
    const file = join(temporaryFolder(t), 'file');
    writeFileSync(file, 'mine');
    assertOneClearLine(await serve(file), /file is not a directory; choose another --data/);
    assert.equal(readFileSync(file, 'utf8'), 'mine');
  });

  test('a data directory that cannot be written', async (t) => {
    const parent = temporaryFolder(t);
    chmodSync(parent, 0o555);
    // Root writes anywhere, so the server runs as somebody else where the test is root.
    const uid = process.getuid?.() === 0 ? 65_534 : undefined;
    const finished = await serve(join(parent, 'data'), ['--port', '0'], uid);
    assertOneClearLine(finished, /cannot be (?:created|written)|not writable|permission/i);
    assert.ok(!existsSync(join(parent, 'data')));
  });

  test('an address that another process listens on', async (t) => {
    const other = createServer();
    await new Promise<void>((done) => other.listen(0, '127.0.0.1', done));
    t.after(() => other.close());
    const { port } = other.address() as { port: number };
    const finished = await serve(join(temporaryFolder(t), 'data'), ['--port', String(port)]);
    assertOneClearLine(finished, /listens|in use/i);
    assert.ok(finished.stderr.includes(String(port)), finished.stderr);
  });

  test('an address beyond loopback without authentication or --insecure', async (t) => {
    const finished = await serve(join(temporaryFolder(t), 'data'), ['--port', '0', '--host', '0.0.0.0']);
    assertOneClearLine(finished, /--insecure/);
    assert.equal(finished.code, 2);
  });

  test('a flag that does not exist, and a setting that is wrong', async (t) => {
    const data = join(temporaryFolder(t), 'data');
    const flag = await serve(data, ['--prot', '0']);
    assert.equal(flag.code, 2);
    assert.match(flag.stderr, /--prot/);
    const port = await serve(data, ['--port', 'many']);
    assert.equal(port.code, 2);
    assert.match(port.stderr, /port/);
    assert.ok(!existsSync(data), 'configuration is checked before anything is opened');
  });

  test('a copy of a data directory is a store of its own: positions of the original are not mistaken for its own', async (t) => {
    const data = await usedDirectory(t);
    const copy = join(temporaryFolder(t), 'copy');
    cpSync(data, copy, { recursive: true });
    const [original, copied] = [await ServerProcess.start({ data }, t), await ServerProcess.start({ data: copy }, t)];
    assert.equal((await get(copied.url, 'kept')).text, '"value"');
    const first = (await put(original.url, 'x', 1)).json as { version: string };
    const second = (await put(copied.url, 'x', 2)).json as { version: string };
    assert.notEqual(first.version, second.version);
  });
});

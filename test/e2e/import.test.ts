// Import and export on real servers: every row once, however often either side is killed.
import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { BIN, cleanEnvironment, ROOT, runLatchkey, ServerProcess, temporaryFolder } from '../support/server-process.ts';

const ROWS = 40_000;
const BAD_EACH = 1000;
const NAME = 'big';
/** An import waits a minute for a server that is gone. */
const WAITS = { timeoutMs: 90_000 };

/** Rows with a key each, of which some are no JSON and some have a key that the server refuses. */
function manyRows(): string {
  const lines = Array.from({ length: ROWS }, (_, at) => {
    if (at % BAD_EACH === 10) return `{"op":"put","key":"broken.${at}","value":`;
    if (at % BAD_EACH === 20) return `{"key":"${'k'.repeat(1100)}.${at}","value":${at}}`;
    return `{"op":"put","key":"row.${at}","value":{"n":${at},"text":"${'x'.repeat(at % 300)}"}}`;
  });
  return `${lines.join('\n')}\n`;
}

const REFUSED = (ROWS / BAD_EACH) * 2;

interface Status {
  readonly log: { readonly head: number };
  readonly view: { readonly keys: number };
}

async function json<T>(url: string): Promise<T> {
  return (await (await fetch(url)).json()) as T;
}

/** Rows that the server has of the source. */
async function reachedRow(server: ServerProcess): Promise<number> {
  const { progress } = await json<{ progress: Record<string, string> }>(`${server.url}/v1/sources/${NAME}`);
  return Number(/:(\d+)/.exec(progress['0'] ?? ':0')?.[1]);
}

/** As the import says itself, which is ready for Ctrl-C then. */
async function rowGoneOnFrom({ stderr }: ChildProcessByStdio<null, null, Readable>): Promise<number> {
  const [said] = await once(stderr, 'data');
  return Number(/has taken ([\d,]+) rows before/.exec(String(said))?.[1]?.replaceAll(',', ''));
}

async function progressBehind(server: ServerProcess, row: number): Promise<void> {
  const deadline = AbortSignal.timeout(20_000);
  while ((await reachedRow(server)) <= row) {
    if (deadline.aborted) throw new Error(`no progress behind row ${row} within 20 s`);
    await sleep(2);
  }
}

function rejectedRows(file: string): readonly number[] {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  return lines.map((line) => (JSON.parse(line) as { row: number }).row);
}

/** As many changes as rows that could be taken, a key each, and every refused row told once. */
async function everyRowOnce(server: ServerProcess, file: string): Promise<void> {
  const { log, view } = await json<Status>(`${server.url}/v1/status`);
  assert.equal(view.keys, ROWS - REFUSED);
  assert.equal(log.head, ROWS - REFUSED, 'a row was taken twice');
  const expected = Array.from({ length: ROWS }, (_, at) => at).filter(
    (at) => at % BAD_EACH === 10 || at % BAD_EACH === 20,
  );
  assert.deepEqual(
    rejectedRows(`${file}.rejected.ndjson`),
    expected.map((at) => at + 1),
  );
}

test('import | kill -9 | import: every row once, and every refused one told once', async (t) => {
  const file = join(temporaryFolder(t), 'rows.ndjson');
  writeFileSync(file, manyRows());
  const server = await ServerProcess.start({}, t);
  for (let kills = 0; kills < 4; kills += 1) {
    const child = spawn(process.execPath, [BIN, 'import', file, '--name', NAME, '--server', server.url], {
      env: cleanEnvironment(),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    // Not what the server has: a batch of the import before may still be on its way there.
    await progressBehind(server, kills === 0 ? 0 : await rowGoneOnFrom(child));
    // Ctrl-C lets the batch on its way come to its end.
    const isInterrupt = kills === 1;
    child.kill(isInterrupt ? 'SIGINT' : 'SIGKILL');
    const [code] = (await once(child, 'exit')) as [number | null];
    if (isInterrupt) assert.equal(code, 130);
  }
  assert.ok((await reachedRow(server)) < ROWS, 'the kills came too late to show anything');
  const got = await runLatchkey(['import', file, '--name', NAME, '--server', server.url, '--json'], WAITS);
  assert.equal(got.code, 1, got.stderr);
  assert.match(got.stderr, /80 rows were refused; .*rows\.ndjson\.rejected\.ndjson has each with its reason/);
  const summary = JSON.parse(got.stdout) as { rows: number; skipped: number; refused: number };
  assert.equal(summary.rows + summary.skipped, ROWS);
  assert.equal(summary.refused, REFUSED);
  const page = readFileSync(join(ROOT, 'docs/cli.md'), 'utf8');
  const promised = /\[`import`\][^|]*\| `\{([^}]*)\}`/.exec(page)?.[1]?.replaceAll('"', '').split(',');
  assert.deepEqual(Object.keys(summary).sort(), promised?.sort(), 'docs/cli.md names the fields');
  await everyRowOnce(server, file);
});

test('the server is killed under an import and started again: the import waits, and every row is taken once', async (t) => {
  const file = join(temporaryFolder(t), 'rows.ndjson');
  writeFileSync(file, manyRows());
  const server = await ServerProcess.start({}, t);
  const importing = runLatchkey(['import', file, '--name', NAME, '--server', server.url, '--json'], WAITS);
  for (let kills = 0; kills < 3; kills += 1) {
    const before = await reachedRow(server);
    await progressBehind(server, before);
    await server.kill();
    await server.restart();
  }
  const got = await importing;
  assert.equal(got.code, 1, got.stderr);
  assert.match(got.stderr, /Waiting for it for 60 s\.\nit answers again/);
  assert.equal((JSON.parse(got.stdout) as { rows: number }).rows, ROWS);
  await everyRowOnce(server, file);
});

test('a finished import has nothing new; a changed file is another source; --restart takes it again', async (t) => {
  const file = join(temporaryFolder(t), 'a.ndjson');
  writeFileSync(file, '{"op":"put","key":"a","value":1}\n');
  const server = await ServerProcess.start({}, t);
  const run = (...more: string[]) => runLatchkey(['import', file, '--server', server.url, ...more]);
  assert.match((await run()).stdout, /^1 row in .*: 1 applied\n$/);
  const again = await run();
  assert.match(again.stdout, /^nothing new: source import:a\.ndjson-[0-9a-f]{12} has all 1 rows of it; --restart/);
  assert.equal(again.code, 0);
  assert.match((await run('--restart')).stdout, /1 applied/);
  writeFileSync(file, '{"op":"put","key":"a","value":22}\n');
  assert.match((await run()).stdout, /1 applied/);
  assert.equal((await json<Status>(`${server.url}/v1/status`)).log.head, 3);
});

test('a named file that grows goes on where it ended, also where its last line had no end yet', async (t) => {
  const file = join(temporaryFolder(t), 'a.ndjson');
  const server = await ServerProcess.start({}, t);
  const run = () => runLatchkey(['import', file, '--name', 'log', '--server', server.url]);
  const command = (key: string) => `{"op":"put","key":"${key}","value":1}`;
  writeFileSync(file, `${command('a')}\n${command('b')}`);
  await run();
  writeFileSync(file, `${command('a')}\n${command('b')}\n${command('c')}\n`);
  assert.match((await run()).stdout, /^1 row .*1 applied; 2 were taken before/);
  assert.equal((await json<Status>(`${server.url}/v1/status`)).log.head, 3);
  writeFileSync(file, command('a'));
  const shorter = await run();
  assert.equal(shorter.code, 4);
  assert.match(shorter.stderr, /The input ends at byte 32, but 99 bytes \(3 rows\) of it were taken before/);
});

test('export imports again to the same entries', async (t) => {
  const folder = temporaryFolder(t);
  const [from, to] = [await ServerProcess.start({}, t), await ServerProcess.start({}, t)];
  const put = (key: string, body: string | Uint8Array<ArrayBuffer>, type: string, query = '') =>
    fetch(`${from.url}/v1/keys/${key}?${query}`, { method: 'PUT', body, headers: { 'content-type': type } });
  await put('json', '{"z":1.0, "n":12345678901234567890,\n"ü":"\\u00e9"}', 'application/json');
  await put('text', 'Ahmedabad "é"\n', 'text/plain; charset=utf-8');
  await put('bytes', Uint8Array.of(0, 255, 10, 13), 'image/x-own');
  await put('ld', '{"a": 1}', 'application/ld+json');
  await put(
    'times',
    '1',
    'application/json',
    'updated=2026-01-01T00:00:00%2B01:00&valid=2030-01-01T00:00:00Z&ttl=3600',
  );
  await put('q"\\ü/%25', '"\\u2028"', 'application/json');
  await put('gone', '1', 'application/json', 'ttl=0.001');
  const file = join(folder, 'all.ndjson.gz');
  const exported = await runLatchkey(['export', file, '--server', from.url, '--json']);
  assert.equal(exported.code, 0, exported.stderr);
  assert.equal((JSON.parse(exported.stdout) as { entries: number }).entries, 6);
  const imported = await runLatchkey(['import', file, '--server', to.url]);
  assert.equal(imported.code, 0, imported.stderr);
  const entriesOf = async (server: ServerProcess) => {
    const text = await (await fetch(`${server.url}/v1/keys`, { headers: { accept: 'application/x-ndjson' } })).text();
    return text
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(/,"(version|origin)":"[^"]*"/g, ''));
  };
  const expiry = /,"expires":"([^"]*)"/;
  const before = await entriesOf(from);
  const after = await entriesOf(to);
  assert.deepEqual(
    after.map((line) => line.replace(expiry, '')),
    before.map((line) => line.replace(expiry, '')),
  );
  const moments = [before, after].map((lines) => Date.parse(expiry.exec(lines.join('\n'))?.[1] ?? ''));
  assert.ok(Math.abs((moments[0] as number) - (moments[1] as number)) < 2000, `${moments}`);
});

test('a pipe from one server to another is an import too', async (t) => {
  const server = await ServerProcess.start({}, t);
  const input = '{"key":"a","value":1}\n{"key":"b","value":[2]}\n';
  const first = await runLatchkey(['import', '-', '--server', server.url, '--name', 'pipe'], { input });
  assert.match(first.stdout, /^2 rows .*2 applied/);
  const more = `${input}{"key":"c","value":3}\n`;
  const second = await runLatchkey(['import', '-', '--server', server.url, '--name', 'pipe'], { input: more });
  assert.match(second.stdout, /^1 row .*1 applied; 2 were taken before/);
  assert.match(second.stderr, /has taken 2 rows before: reading over what was taken; the input must be the same/);
  const shorter = await runLatchkey(['import', '-', '--server', server.url, '--name', 'pipe'], { input });
  assert.equal(shorter.code, 4);
  assert.match(shorter.stderr, /input ends at byte 46, but 68 bytes \(3 rows\) of it were taken before/);
});

test('a file that is bigger than the memory for it is imported all the same', async (t) => {
  const file = join(temporaryFolder(t), 'rows.ndjson');
  const rows = 40_000;
  const row = (at: number) => `{"key":"row.${at}","value":{"n":${at},"text":"${'x'.repeat(1000)}"}}\n`;
  writeFileSync(file, Array.from({ length: rows }, (_, at) => row(at)).join(''));
  const server = await ServerProcess.start({}, t);
  const env = { NODE_OPTIONS: '--max-old-space-size=32' };
  const got = await runLatchkey(['import', file, '--server', server.url, '--json'], { env, timeoutMs: 60_000 });
  assert.equal(got.code, 0, got.stderr);
  assert.equal((JSON.parse(got.stdout) as { applied: number }).applied, rows);
});

describe('formats', () => {
  test('CSV and JSON by a key template, also compressed, end in the entries that they say', async (t) => {
    const folder = temporaryFolder(t);
    const server = await ServerProcess.start({}, t);
    writeFileSync(join(folder, 'a.csv.gz'), gzipSync('id;temp;note\n1;21.50;"a; b"\n2;x;\n'));
    writeFileSync(join(folder, 'b.json'), '[{"id": 7, "at": "2026-01-01T00:00:00Z"},\n{"id": 8}]');
    writeFileSync(join(folder, 'c.json'), '{"x": {"n": 1.0},\n "y": [1,\n 2]}');
    const run = (file: string, ...more: string[]) =>
      runLatchkey(['import', join(folder, file), '--server', server.url, '--json', ...more]);
    const csv = await run('a.csv.gz', '--key', 'csv:{id}', '--map', 't=temp:number', '--omit', 'id');
    assert.equal(csv.code, 1);
    const rejected = JSON.parse(readFileSync(join(folder, 'a.csv.gz.rejected.ndjson'), 'utf8')) as object;
    assert.deepEqual(rejected, {
      row: 2,
      code: 'event-invalid',
      message: 'The field temp takes a number, but got "x".',
      field: 'temp',
      text: '2;x;',
    });
    const array = await run('b.json', '--key', 'b:{id}', '--updated', 'at', '--rejects', join(folder, 'no'));
    assert.equal(array.code, 1);
    assert.ok(existsSync(join(folder, 'no')));
    assert.equal((await run('c.json', '--key', '{$key}')).code, 0);
    const textOf = async (key: string) => await (await fetch(`${server.url}/v1/keys/${key}`)).text();
    assert.equal(await textOf('csv:1'), '{"t":21.50,"note":"a; b"}');
    assert.equal(await textOf('b:7'), '{"id": 7, "at": "2026-01-01T00:00:00Z"}');
    assert.equal(await textOf('x'), '{"n": 1.0}');
    assert.equal(await textOf('y'), '[1,  2]');
  });

  test('compressed data that ends too early is an error, and the whole file goes on from there', async (t) => {
    const folder = temporaryFolder(t);
    const server = await ServerProcess.start({}, t);
    const whole = gzipSync(manyRows().replaceAll('broken', 'whole":1}#'));
    const file = join(folder, 'a.gz');
    const run = () => runLatchkey(['import', file, '--server', server.url, '--name', 'gz', '--format', 'ndjson']);
    writeFileSync(file, whole.subarray(0, whole.length >> 1));
    const cut = await run();
    assert.match(cut.stderr, /compressed data of .*a\.gz is damaged or ends too early/);
    writeFileSync(file, whole);
    const rest = await run();
    assert.match(rest.stdout, /were taken before/);
    assert.equal((await json<Status>(`${server.url}/v1/status`)).log.head, ROWS - REFUSED);
  });
});

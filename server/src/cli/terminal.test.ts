// What a person sees: the commands on a terminal, which util-linux's `script` makes; it is on every Debian.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BIN, runLatchkey, runToEnd, ServerProcess, temporaryFolder } from '../../../test/support/server-process.ts';
import { fakeServer, json } from './fake-server.fixture.ts';

const ESCAPE = '\u001b';

/** All that the terminal was sent, standard output and error together. */
async function onTerminal(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const quoted = [process.execPath, BIN, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const command = `stty cols 100 rows 30; ${quoted}`;
  const got = await runToEnd(['script', '--quiet', '--return', '--command', command, '/dev/null'], {
    env: { TERM: 'xterm', ...env },
  });
  return { text: got.stdout.replaceAll('\r\n', '\n'), code: got.code };
}

test('colours are on a terminal alone, and NO_COLOR turns them off there', async (t) => {
  const server = await fakeServer(t, (_asked, response) =>
    json(response, { error: { code: 'not-found', message: 'No such key.' } }, 404),
  );
  const args = ['get', 'a', '--server', server.url];
  const coloured = await onTerminal(args);
  assert.equal(coloured.text, `${ESCAPE}[31merror:${ESCAPE}[39m No such key.\n`);
  assert.equal(coloured.code, 3);
  assert.equal((await onTerminal(args, { NO_COLOR: '1' })).text, 'error: No such key.\n');
  assert.equal((await runLatchkey(args)).stderr, 'error: No such key.\n');
});

test('a value moves no cursor, and the prompt begins on a line of its own', async (t) => {
  const server = await fakeServer(t, (_asked, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' });
    response.end('a\u001b[2Jb\tc\nd');
  });
  const got = await onTerminal(['get', 'a', '--server', server.url]);
  assert.equal(got.text, 'a\\u001b[2Jb\tc\nd\n');
});

test('a table is cut to the width of the terminal', async (t) => {
  const entry = { key: 'k', value: 'x'.repeat(500), version: 'k3x9.7', updated: '2026-11-20T12:00:00Z' };
  const server = await fakeServer(t, (_asked, response) => json(response, { entries: [entry], position: 'k3x9.7' }));
  const { text } = await onTerminal(['list', '--server', server.url]);
  const lines = text.trimEnd().split('\n');
  assert.equal(lines.length, 2, text);
  assert.equal([...(lines[1] as string)].length, 100);
  assert.ok(lines[1]?.endsWith('…'));
});

test('lag shows how far it is, then a table and histograms that fit, and leaves no bar', async (t) => {
  const server = await ServerProcess.start({}, t);
  const args = ['lag', '--server', server.url, '--observe', 'sse', '--observe', 'poll:10ms', '--count', '30'];
  const drawn = (await onTerminal(args)).text.split(`\r${ESCAPE}[K`);
  assert.ok(
    drawn.some((bar) => /^\[[#.]{24}\] +\d+ % {2}\d+ values/.test(bar)),
    drawn.join('|'),
  );
  const lines = (drawn.at(-1) as string).trimEnd().split('\n');
  assert.equal(lines[0], `30 values of latchkey-lag, one each 20 ms, to ${server.url}`);
  assert.match(
    lines[3] as string,
    /^PATH +STYLE +SEEN +MISSED +DUPLICATED +REORDERED +P50 µs +P90 µs +P99 µs +MAX µs$/,
  );
  assert.match(lines[4] as string, /^sse +callback +30 +0 +0 +0( +[\d,]+){4}$/);
  assert.match(lines[5] as string, /^poll:10ms +- +\d+ +\d+ +0 +0( +[\d,]+){4}$/);
  assert.ok(lines.filter((line) => /^ +[\d,]+ to +[\d,]+ µs {2}#* +[\d,]+$/.test(line)).length >= 2, lines.join('\n'));
  for (const line of lines.slice(3)) assert.ok(line.length <= 100, line);
  const piped = await runLatchkey(args);
  assert.equal(piped.stderr, '');
  assert.ok(!piped.stdout.includes(ESCAPE));
});

test('import, export, backup and restore show how far they are, and leave only their result', async (t) => {
  const folder = temporaryFolder(t);
  const server = await ServerProcess.start({}, t);
  const file = join(folder, 'rows.ndjson');
  const lines = Array.from(
    { length: 60_000 },
    (_, at) => `{"op":"put","key":"row.${at}","value":"${'x'.repeat(200)}"}`,
  );
  writeFileSync(file, `${lines.join('\n')}\n`);
  const place = ['--server', server.url];
  const bars = (text: string) => text.split(`\r${ESCAPE}[K`);
  const imported = bars((await onTerminal(['import', file, ...place])).text);
  assert.ok(
    imported.some((bar) => /^\[#+\.+\] +\d+ % {2}[\d,]+ rows {2}[\d,]+ rows\/s {2}\d+ s left$/.test(bar)),
    imported.join('|'),
  );
  assert.match(imported.at(-1) as string, /^60,000 rows in .*: 60,000 applied\n$/);
  const exported = bars((await onTerminal(['export', join(folder, 'out.ndjson'), ...place])).text);
  assert.ok(
    exported.some((bar) => /^\[[#.]+\] +\d+ % {2}[\d,]+ entries/.test(bar)),
    exported.join('|'),
  );
  assert.match(exported.at(-1) as string, /60,000 entries; a watch from [0-9a-z]+\.60000 shows/);
  const copy = join(folder, 'copy');
  const data = join(folder, 'data');
  const backup = bars((await onTerminal(['backup', copy, '--data', server.data])).text);
  assert.match(backup.at(-1) as string, /^\d+ bytes at position .* in .*copy\n$/);
  const restore = bars((await onTerminal(['restore', copy, '--data', data])).text);
  assert.match(restore.at(-1) as string, /^\d+ bytes at position .* restored to .*data\n$/);
  for (const args of [
    ['export', join(folder, 'again.ndjson'), ...place],
    ['import', file, ...place],
  ]) {
    const piped = await runLatchkey(args);
    assert.ok(!(piped.stdout + piped.stderr).includes(ESCAPE), piped.stderr);
  }
});

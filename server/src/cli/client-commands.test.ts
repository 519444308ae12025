import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import type { Command } from 'commander';
import { BIN, cleanEnvironment, runLatchkey } from '../../../test/support/server-process.ts';
import { type Answer, fakeServer, json } from './fake-server.fixture.ts';
import { createProgram } from './program.ts';

const entry = (key: string, value: unknown) => ({ key, value, version: 'k3x9.7', updated: '2026-11-20T12:00:00Z' });
const refuse =
  (code: string, status: number): Answer =>
  (_asked, response) =>
    json(response, { error: { code, message: `Because ${code}.`, requestId: 'r1' } }, status);

describe('get', () => {
  test('prints the value byte for byte, and nothing else', async (t) => {
    const value = '{"z":1.0,\n"a":12345678901234567890}';
    const server = await fakeServer(t, (_asked, response) => json(response, value));
    const got = await runLatchkey(['get', 'a/b c', '--server', server.url]);
    assert.deepEqual([got.stdout, got.stderr, got.code], [value, '', 0]);
    assert.equal(server.asked[0]?.url, '/v1/keys/a%2Fb%20c');
  });

  test('--json prints the entry as the server wrote it; the token and the address of the environment are used', async (t) => {
    const server = await fakeServer(t, (_asked, response) => json(response, '{"key":"a","value":1.0}\n'));
    const env = { LATCHKEY_SERVER: server.url, LATCHKEY_TOKEN: 'secret' };
    const got = await runLatchkey(['get', '--key', 'a', '--json'], { env });
    assert.equal(got.stdout, '{"key":"a","value":1.0}\n');
    assert.equal(server.asked[0]?.url, '/v1/keys/a?meta=true');
    assert.equal(server.asked[0]?.headers.authorization, 'Bearer secret');
  });

  test('--all and --prefix list, and --server-address takes the words of kv-store', async (t) => {
    const server = await fakeServer(t, (_asked, response) => json(response, { entries: [], position: 'k3x9.0' }));
    for (const words of [['--all'], ['-a'], ['--prefix', 'p.'], []]) {
      const got = await runLatchkey(['--server-address', server.address, 'get', ...words]);
      assert.deepEqual([got.stdout, got.code], ['', 0], got.stderr);
    }
    assert.match(server.asked[2]?.url ?? '', /^\/v1\/keys\?.*prefix=p\./);
  });
});

describe('exit codes and messages', () => {
  const cases = [
    ['not-found', 404, 3],
    ['conflict', 412, 4],
    ['unauthorised', 401, 5],
    ['not-ready', 503, 6],
    ['timeout', 504, 7],
    ['key-too-long', 400, 1],
  ] as const;
  for (const [code, status, exit] of cases) {
    test(`${code} exits with ${exit}, one line on standard error, and JSON with --json`, async (t) => {
      const server = await fakeServer(t, refuse(code, status));
      const got = await runLatchkey(['get', 'a', '--server', server.url]);
      assert.equal(got.code, exit);
      assert.equal(got.stdout, '');
      assert.match(got.stderr, new RegExp(`^error: Because ${code}\\.[^\\n]*\\n$`));
      const asJson = await runLatchkey(['get', 'a', '--server', server.url, '--json']);
      assert.equal(asJson.code, exit);
      const { error } = JSON.parse(asJson.stderr) as { error: { code: string; message: string } };
      assert.deepEqual([error.code, error.message], [code, `Because ${code}.`]);
    });
  }

  test('a server that is not there is told with what to do', async () => {
    const got = await runLatchkey(['get', 'a', '--server', 'http://127.0.0.1:1']);
    assert.equal(got.code, 6);
    assert.match(got.stderr, /^error: No answer from http:\/\/127\.0\.0\.1:1.*latchkey serve.*--server.*\n$/);
  });

  test('wrong usage exits with 2 and names what was wrong', async () => {
    const wrong: [string[], RegExp][] = [
      [['gte'], /Unknown command 'gte'.*get/],
      [['get', 'a', '--tokn', 'x'], /Unknown option '--tokn'.*--token/],
      [['get', 'a', 'b'], /[Tt]oo many arguments/],
      [['get', 'a', '--server', 'nowhere'], /--server takes a URL/],
      [['get', 'a', '--server-address', 'nowhere'], /--server-address takes HOST:PORT/],
      [['set', 'a'], /set takes one key and one value/],
      [['delete'], /delete takes a key, or --pattern/],
      [['list', '--limit', '0'], /--limit takes a whole number from 1/],
      [['serve', '--log', 'kafka'], /log\.kind takes local or redis in this version/],
      [['serve', '--resp', 'somewhere'], /resp.listen takes HOST:PORT/],
      [['completion', 'tcsh'], /completion takes bash, zsh or fish/],
    ];
    for (const [args, expected] of wrong) {
      const got = await runLatchkey(args);
      assert.equal(got.code, 2, `${args.join(' ')}: ${got.stderr}`);
      assert.match(got.stderr, expected);
      assert.equal(got.stderr.trimEnd().split('\n').length, 1, got.stderr);
    }
  });

  test('every command has help with examples', async () => {
    const help = await runLatchkey(['--help']);
    assert.equal(help.code, 0);
    const all: Command[] = [createProgram()];
    for (const command of all) all.push(...command.commands);
    for (const command of all.slice(1)) {
      let text = '';
      command.configureOutput({
        writeOut: (part) => {
          text += part;
        },
      });
      command.outputHelp();
      assert.match(text, /Examples:\n {2}.*latchkey /, command.name());
      if (command.parent === all[0]) assert.match(help.stdout, new RegExp(`^  ${command.name()} `, 'm'));
    }
    const own = await runLatchkey(['import', '--help']);
    assert.match(own.stdout, /Examples:\n {2}latchkey import/);
  });
});

describe('set and delete', () => {
  const applied: Answer = (_asked, response) => json(response, { outcome: 'applied', version: 'k3x9.8' });

  test('JSON is sent as it was written, anything else as text, - reads standard input', async (t) => {
    const server = await fakeServer(t, applied);
    const set = (args: string[], input?: string) =>
      runLatchkey(['set', ...args, '--server', server.url], input === undefined ? {} : { input });
    assert.equal((await set(['a', '{"n":1.0}'])).stdout, 'applied k3x9.8\n');
    await set(['--key', 'a', '--value', 'Ahmedabad']);
    await set(['a', '-'], '[1, 2]');
    await set(['a', '1', '--text']);
    assert.deepEqual(
      server.asked.map(({ body, headers, method }) => [method, headers['content-type'], body]),
      [
        ['PUT', 'application/json', '{"n":1.0}'],
        ['PUT', 'text/plain; charset=utf-8', 'Ahmedabad'],
        ['PUT', 'application/json', '[1, 2]'],
        ['PUT', 'text/plain; charset=utf-8', '1'],
      ],
    );
  });

  test('times and conditions go along', async (t) => {
    const server = await fakeServer(t, applied);
    const times = ['--ttl', '1.5', '--updated', '2026-11-20T12:00:00+01:00', '--valid', '2026-11-21T12:00:00Z'];
    await runLatchkey(['set', 'a', '1', ...times, '--if-absent', '--server', server.url]);
    await runLatchkey(['set', 'a', '1', '--if-version', 'k3x9.7', '--server', server.url]);
    const [first, second] = server.asked;
    const query = new URL(first?.url ?? '', server.url).searchParams;
    assert.deepEqual(Object.fromEntries(query), {
      ttl: '1.5',
      updated: '2026-11-20T12:00:00+01:00',
      valid: '2026-11-21T12:00:00Z',
    });
    assert.equal(first?.headers['if-none-match'], '*');
    assert.equal(second?.headers['if-match'], '"k3x9.7"');
  });

  test('what was late or in conflict is an error with exit code 4', async (t) => {
    const late = await fakeServer(t, (_asked, response) => json(response, { outcome: 'late', version: 'k3x9.9' }));
    const got = await runLatchkey(['set', 'a', '1', '--server', late.url]);
    assert.deepEqual([got.code, got.stdout], [4, '']);
    assert.match(got.stderr, /Nothing was changed: version k3x9\.9/);
    const body = { error: { code: 'conflict', message: 'x' }, outcome: 'conflict', entry: entry('a', 1) };
    const taken = await fakeServer(t, (_asked, response) => json(response, body, 412));
    const refused = await runLatchkey(['set', 'a', '1', '--if-absent', '--server', taken.url]);
    assert.equal(refused.code, 4);
    assert.match(refused.stderr, /Nothing was changed: the entry is there with version k3x9\.7/);
  });

  test('delete --pattern prints the keys that went', async (t) => {
    const outcome = { outcome: 'applied', version: 'k3x9.9', removed: 2, keys: ['a.1', 'a.2'], truncated: false };
    const server = await fakeServer(t, (_asked, response) => json(response, [outcome]));
    const got = await runLatchkey(['delete', '--pattern', 'a.*', '--server', server.url]);
    assert.equal(got.stdout, 'a.1\na.2\n');
    assert.match(got.stderr, /2 keys removed/);
    assert.deepEqual(JSON.parse(server.asked[0]?.body ?? ''), [
      { op: 'removeMatching', pattern: 'a.*', dryRun: false },
    ]);
  });
});

describe('list', () => {
  test('prints aligned columns over all pages, and NDJSON with --json; a value moves no terminal', async (t) => {
    const pages: Answer = ({ url }, response) =>
      url.includes('cursor=c1')
        ? json(response, { entries: [entry('bb.2', 'x')], position: 'k3x9.7' })
        : json(response, {
            entries: [entry('a', { n: 1 }), entry('\u001b[2J', '\u001b]0;x\u0007')],
            cursor: 'c1',
            position: 'k3x9.7',
          });
    const server = await fakeServer(t, pages);
    const got = await runLatchkey(['list', '--server', server.url]);
    const [titles, first] = got.stdout.split('\n') as [string, string];
    assert.match(titles, /^KEY +VERSION +UPDATED +VALUE$/);
    assert.equal(first.indexOf('k3x9.7'), titles.indexOf('VERSION'));
    assert.ok(first.endsWith('{"n":1}'));
    assert.ok(!got.stdout.includes('\u001b'));
    assert.match(got.stdout, /bb\.2/);
    const asJson = await runLatchkey(['list', '--json', '--server', server.url]);
    assert.deepEqual(
      asJson.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).key),
      ['a', '\u001b[2J', 'bb.2'],
    );
  });

  test('numbers keep their digits, in the table and in JSON', async (t) => {
    const one =
      '{"key":"a","value":{"n":1.0,"big":12345678901234567890},"version":"k3x9.7","updated":"2026-11-20T12:00:00Z"}';
    const server = await fakeServer(t, (_asked, response) =>
      json(response, `{"entries":[${one} , ${one}],"position":"k3x9.7"}`),
    );
    const got = await runLatchkey(['list', '--server', server.url]);
    assert.match(got.stdout, /\{"n":1\.0,"big":12345678901234567890\}\n/);
    assert.equal((await runLatchkey(['list', '--json', '--server', server.url])).stdout, `${one}\n${one}\n`);
    const strange = await fakeServer(t, (_asked, response) => json(response, '[1'));
    const error = await runLatchkey(['list', '--server', strange.url]);
    assert.deepEqual([error.code, error.stderr.includes('no list of entries')], [6, true], error.stderr);
  });

  test('a reader that leaves early ends it quietly', async (t) => {
    const entries = Array.from({ length: 1000 }, (_, index) => entry(`key.${index}`, 'x'.repeat(200)));
    const server = await fakeServer(t, (_asked, response) =>
      json(response, { entries, cursor: 'more', position: 'k3x9.7' }),
    );
    const child = spawn(process.execPath, [BIN, 'list', '--server', server.url], {
      env: cleanEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    child.stdout.once('data', () => child.stdout.destroy());
    const [code] = await once(child, 'close');
    assert.deepEqual([code, stderr], [0, '']);
  });
});

describe('watch', () => {
  const sse = (event: string, id: string, data: unknown) =>
    `${event === '' ? '' : `event: ${event}\n`}id: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
  const opened = sse('opened', 'k3x9.0;aaaaaa', { position: 'k3x9.0;aaaaaa', epoch: 'k3x9', node: 'n' });
  const change = (offset: number) =>
    sse('', `k3x9.${offset};aaaaaa`, {
      op: 'put',
      key: `a.${offset}`,
      value: offset,
      version: `k3x9.${offset}`,
      updated: '2026-11-20T12:00:00Z',
    });

  test('prints changes, and after a cut resumes from the last one', async (t) => {
    const server = await fakeServer(t, ({ url }, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`retry: 1\n\n${opened}`);
      if (url.includes('from=start')) response.end(change(1) + change(2));
      else response.write(change(3));
    });
    const got = await runLatchkey([
      'watch',
      '--prefix',
      'a.',
      '--pattern',
      'b*',
      'c',
      '--count',
      '3',
      '--server',
      server.url,
    ]);
    assert.equal(got.code, 0, got.stderr);
    assert.deepEqual(
      got.stdout.trimEnd().split('\n'),
      [1, 2, 3].map((offset) => `2026-11-20T12:00:00Z  put     a.${offset}  ${offset}`),
    );
    const [first, second] = server.asked.map(({ url }) => new URL(url, server.url).searchParams);
    assert.deepEqual([first?.get('key'), first?.get('prefix'), first?.get('pattern')], ['c', 'a.', 'b*']);
    assert.equal(second?.get('from'), 'k3x9.2;aaaaaa');
    assert.match(got.stderr, /ended the stream.*\n.*connected again/s);
  });

  test('--json and lines print values as they were sent: 1.0 stays 1.0, and no number is rounded', async (t) => {
    const value = '{"a":1.0,"b":9007199254740993,"c":[-0,1e3],"d":"1.0"}';
    const server = await fakeServer(t, (_asked, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(opened + change(1).replace('"value":1', `"value":${value}`));
    });
    const args = ['watch', '--count', '1', '--server', server.url];
    const json = await runLatchkey([...args, '--json']);
    assert.ok(json.stdout.includes(`"value":${value}`), json.stdout);
    const lines = await runLatchkey(args);
    assert.ok(lines.stdout.includes(value), lines.stdout);
  });

  test('--json prints every event with its position', async (t) => {
    const server = await fakeServer(t, (_asked, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(opened + change(1));
    });
    const got = await runLatchkey(['watch', '--json', '--count', '1', '--server', server.url]);
    const events = got.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { op: string; position: string });
    assert.deepEqual(
      events.map(({ op, position }) => [op, position]),
      [
        ['opened', 'k3x9.0;aaaaaa'],
        ['put', 'k3x9.1;aaaaaa'],
      ],
    );
  });

  test('interrupted, it ends as interrupted programs do', async (t) => {
    const server = await fakeServer(t, (_asked, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(opened + change(1));
    });
    const child = spawn(process.execPath, [BIN, 'watch', '--server', server.url], {
      env: cleanEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    await once(child.stdout, 'data');
    child.kill('SIGINT');
    const [code, signal] = await once(child, 'exit');
    assert.ok(code === 130 || signal === 'SIGINT');
  });

  test('a refused watch is an error, not a retry', async (t) => {
    const server = await fakeServer(t, refuse('pattern-invalid', 400));
    assert.equal((await runLatchkey(['watch', '--server', server.url])).code, 1);
  });
});

describe('status and dead letters', () => {
  test('status lists names and values, who is behind among them, and JSON as it came', async (t) => {
    const source = '{"name":"ems","kind":"kafka","ready":false,"reason":"the broker is away"}';
    const body = `{"version":"0.1.0","log":{"kind":"local"},"sources":[${source}],"sinks":[],"feed":{"watchers":1200,"behind":2}}`;
    const server = await fakeServer(t, (_asked, response) => json(response, body));
    const got = await runLatchkey(['status', '--server', server.url]);
    assert.match(got.stdout, /^log\.kind +local$/m);
    assert.match(got.stdout, /^sinks +none$/m);
    assert.match(got.stdout, /^feed\.behind +2$/m);
    assert.match(got.stdout, /^sources\.0\.reason +the broker is away$/m);
    assert.equal((await runLatchkey(['status', '--json', '--server', server.url])).stdout, `${body}\n`);
  });

  test('dead letters are listed over pages, shown, replayed and dropped', async (t) => {
    const letter = (id: string) => ({
      id,
      source: 'ems',
      coordinates: { offset: 9 },
      receivedAt: '2026-11-20T12:00:00Z',
      reason: { code: 'invalid-json', message: 'Not JSON.' },
      message: '{oops',
      headers: {},
      replays: 0,
    });
    const server = await fakeServer(t, ({ method, url }, response) => {
      if (method === 'DELETE') return json(response, { dropped: 'd1' });
      if (url.includes('/replay') && url.includes('d1'))
        return json(response, { id: 'd1', outcomes: [{ outcome: 'applied' }] });
      if (url.includes('/replay')) {
        const results = [{ id: 'd2', kept: true, error: { code: 'invalid-json', message: 'Not JSON.' } }];
        return json(response, { replayed: 0, kept: 1, results });
      }
      if (url.includes('/d1')) return json(response, letter('d1'));
      if (url.includes('after=d1')) return json(response, { deadLetters: [letter('d2')], counts: {} });
      return json(response, { deadLetters: [letter('d1')], next: 'd1', counts: {} });
    });
    const run = (...args: string[]) => runLatchkey(['dead-letters', ...args, '--server', server.url]);
    assert.match((await run('list')).stdout, /^ID +RECEIVED .*\nd1 .*Not JSON\.\nd2 /);
    assert.match((await run('show', 'd1')).stdout, /^message +\{oops$/m);
    assert.equal((await run('replay', 'd1')).stdout, 'd1  replayed  applied\n');
    const all = await run('replay', '--all');
    assert.equal(all.stdout, 'd2  kept  invalid-json: Not JSON.\n');
    assert.equal(all.code, 1);
    assert.equal((await run('drop', 'd1')).stdout, 'dropped d1\n');
  });
});

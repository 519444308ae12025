import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BIN, runLatchkey, runToEnd } from '../../../../test/support/server-process.ts';
import { fakeServer, json } from '../fake-server.fixture.ts';

/** What bash offers at the end of the line, broken into words as bash breaks it. */
async function offered(line: string, env: Readonly<Record<string, string>> = {}): Promise<readonly string[]> {
  const { stdout } = await runLatchkey(['completion', 'bash']);
  const words: string[] = line.match(/:|[^\s:]+/g) ?? [];
  if (line.endsWith(' ')) words.push('');
  const script = `latchkey() { ${process.execPath} ${BIN} "$@"; }
${stdout}
COMP_LINE='${line}'; COMP_POINT=\${#COMP_LINE}; COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})
COMP_CWORD=${words.length - 1}; _latchkey; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const got = await runToEnd(['bash', '-c', script], { env });
  assert.equal(got.stderr, '');
  return got.stdout.split('\n').filter((word) => word !== '');
}

test('commands and options are offered where they may stand', async () => {
  assert.deepEqual(await offered('latchkey im'), ['import']);
  assert.deepEqual(await offered('latchkey import --re'), ['--restart', '--rejects']);
  assert.deepEqual(await offered('latchkey dead-letters re'), ['replay']);
  assert.deepEqual(await offered('latchkey completion z'), ['zsh']);
});

test('keys of the server are offered, also where bash breaks them at a colon', async (t) => {
  const keys = ['battery:1:data', 'battery:2:data', 'a b$', 'line\nbreak'];
  const server = await fakeServer(t, ({ url }, response) => {
    const prefix = new URL(url, 'http://x').searchParams.get('prefix') ?? '';
    json(response, { entries: keys.filter((key) => key.startsWith(prefix)).map((key) => ({ key })) });
  });
  const env = { LATCHKEY_SERVER: server.url };
  assert.deepEqual(await offered('latchkey get batt', env), ['battery:1:data', 'battery:2:data']);
  assert.deepEqual(await offered('latchkey delete battery:1', env), ['1:data']);
  assert.deepEqual(await offered('latchkey watch a', env), ['a\\ b\\$']);
  assert.equal((await offered('latchkey set ', env)).length, 3);
  assert.deepEqual(await offered(`latchkey --server ${server.url} get battery:2`), ['2:data']);
  assert.match(server.asked[0]?.url ?? '', /limit=100&values=false&prefix=batt/);
});

test('a server that is away, silent or strange has no keys, which is no error and no wait', async (t) => {
  const silent = await fakeServer(t, () => {});
  const strange = await fakeServer(t, (_asked, response) => json(response, 'oops'));
  for (const url of ['http://127.0.0.1:1', silent.url, strange.url, 'nonsense']) {
    const got = await runLatchkey(['completion', '--keys', 'a', '--server', url]);
    assert.deepEqual([got.code, got.stdout, got.stderr], [0, '', ''], url);
  }
});

test('each script names every command and option, and is one that its shell can read', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout } = await runLatchkey(['completion', shell]);
    assert.equal(code, 0);
    for (const word of ['serve', 'dead-letters', 'replay', 'import', '--if-version', '--server']) {
      // Fish has the dashes of an option in `-l`.
      assert.ok(stdout.includes(shell === 'fish' ? word.replace(/^--/, '-l ') : word), `${shell} ${word}`);
    }
    assert.doesNotMatch(stdout, /undefined|\[object/);
  }
  const { stdout } = await runLatchkey(['completion', 'bash']);
  assert.equal((await runToEnd(['bash', '-n', '-c', stdout])).stderr, '');
  assert.deepEqual(await offered('latchkey dead-letters re'), ['replay']);
});

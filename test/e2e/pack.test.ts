// What is published, as its users get it: three packages installed together into an empty folder, run by a plain Node without flags.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { get, put } from '../support/http-client.ts';
import { type Finished, ROOT, runToEnd, ServerProcess, temporaryFolder } from '../support/server-process.ts';

const PACKAGES = ['client', 'dashboard', 'server'];
const NPM_TIMEOUT_MS = 170_000;

// `npm test` runs on the Node that the repository pins; the bins' shebang must find the same one.
const PATH = `${dirname(process.execPath)}${delimiter}${process.env.PATH}`;
const registry = process.env.npm_config_registry;
const npmEnvironment = { PATH, ...(registry === undefined ? {} : { npm_config_registry: registry }) };

async function succeed(command: readonly string[], cwd: string): Promise<Finished> {
  const finished = await runToEnd(command, { cwd, env: npmEnvironment, timeoutMs: NPM_TIMEOUT_MS });
  assert.equal(finished.code, 0, `${command.join(' ')}\n${finished.stdout}\n${finished.stderr}`);
  return finished;
}

describe('the published packages', () => {
  let folder: string;
  before(
    async () => {
      folder = mkdtempSync(join(tmpdir(), 'latchkey-pack-'));
      await succeed([process.execPath, '--conditions=source', join(ROOT, 'scripts/build.ts')], ROOT);
      const workspaces = PACKAGES.flatMap((name) => ['--workspace', name]);
      await succeed(['npm', 'pack', ...workspaces, '--pack-destination', folder], ROOT);
      const archives = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
      assert.equal(archives.length, PACKAGES.length, archives.join(', '));
      writeFileSync(join(folder, 'package.json'), '{"private":true}');
      const files = archives.map((name) => join(folder, name));
      await succeed(
        ['npm', 'install', '--prefix', folder, '--no-audit', '--no-fund', '--prefer-offline', ...files],
        folder,
      );
    },
    { timeout: NPM_TIMEOUT_MS },
  );

  after(() => rmSync(folder, { recursive: true, force: true }));

  test('hold what runs, a README and a licence, and no tests or sources', () => {
    for (const name of ['@latchkey/client', '@latchkey/dashboard', 'latchkey']) {
      const files = readdirSync(join(folder, 'node_modules', name), { recursive: true, encoding: 'utf8' });
      const own = files.filter((file) => !file.startsWith('node_modules'));
      for (const needed of ['README.md', 'LICENSE', 'package.json'])
        assert.ok(own.includes(needed), `${name}: no ${needed}`);
      assert.deepEqual(
        own.filter((file) => /\.(?:test|suite|fixture)\.|^src\b.*(?<!\.d)\.ts$/.test(file)),
        [],
      );
    }
  });

  test('install bins that run from any folder', async (t) => {
    const bin = join(folder, 'node_modules/.bin');
    const elsewhere = temporaryFolder(t);
    const version = await succeed([join(bin, 'latchkey'), '--version'], elsewhere);
    const { version: expected } = JSON.parse(readFileSync(join(ROOT, 'server/package.json'), 'utf8')) as {
      version: string;
    };
    assert.equal(version.stdout.trim(), expected);
    assert.match((await succeed([join(bin, 'kvs-cli'), '--help'], elsewhere)).stdout, /--server-address/);
  });

  test('serve, put and get, and show the page', async (t) => {
    const bin = join(folder, 'node_modules/latchkey/bin/latchkey.js');
    const server = await ServerProcess.start({ command: [process.execPath, bin] }, t);
    assert.equal((await put(server.url, 'packed', { works: true })).status, 200);
    assert.equal((await get(server.url, 'packed')).text, '{"works":true}');
    const page = await fetch(`${server.url}/`);
    assert.equal(page.status, 200);
    assert.match(await page.text(), /<html/i);
    for (const file of ['views/keys.js', 'styles/base.css', 'uplot/uPlot.esm.js', 'uplot/uPlot.min.css'])
      assert.equal((await fetch(`${server.url}/dashboard/${file}`)).status, 200, file);
    const set = await succeed([process.execPath, bin, 'set', 'by-cli', '7', '--server', server.url], folder);
    assert.equal(set.stderr, '');
    const got = await succeed([process.execPath, bin, 'get', 'by-cli', '--server', server.url], folder);
    assert.equal(got.stdout.trim(), '7');
  });

  test('give the client to plain JavaScript', async () => {
    const script =
      "import { parsePosition } from '@latchkey/client'; console.log(parsePosition('aaaa.7').components[0].offset);";
    writeFileSync(join(folder, 'use.mjs'), script);
    assert.equal((await succeed([process.execPath, 'use.mjs'], folder)).stdout, '7\n');
  });
});

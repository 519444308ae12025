// Every command of every page runs as it stands and ends well, or is excepted with its reason; docs.test.ts compares what some print.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { loadSettings } from '../../server/src/config/load-settings.ts';
import { checkSettings } from '../../server/src/main.ts';
import { EXCEPTED } from '../support/excepted-commands.ts';
import { put } from '../support/http-client.ts';
import { type RedisProcess, startRedis } from '../support/redis.ts';
import { cleanEnvironment, ROOT, type Scope, ServerProcess, temporaryFolder } from '../support/server-process.ts';
import { pages, shownBlocks, shownCommands } from '../support/shown-commands.ts';

/** docs.test.ts runs what these show after `$ `, and compares it. */
const COMPARED = ['README.md', 'docs/start.md', 'docs/coming-from-kv-store.md', 'docs/coming-from-redis-cache-sync.md'];
const TIMEOUT_MS = 30_000;
const STILL_RUNS =
  /^(LATCHKEY_\S+ )*(npm start|latchkey serve|npm run (-s )?example)\b|^(latchkey|npm run -s \S+ --( --server-address \S+)?) watch\b/;

/** Starts what it needs itself and asks nothing of the page's server: it is run once, whichever pages show it. */
const STARTS_ALL =
  /^(LATCHKEY_\S+ )*(npm start|latchkey serve|npm run (-s )?(example|torture|bench|planted)(?!.* --server ))\b/;

const ENTRY = '{"key":"e.1","value":1,"version":"5pfgy2tp.1","updated":"2026-11-20T12:00:00Z"}\n';
const FILES: Readonly<Record<string, string | Buffer>> = {
  'entries.ndjson': ENTRY,
  'big.ndjson': ENTRY,
  'events.ndjson.gz': gzipSync('{"id":1}\n'),
  'config.py':
    'config = {\n    "redis_url": "redis://redis.redis:6379/0",\n    "channel": "update",\n    "validate": True\n}\n',
  'picture.png': Buffer.from([0x89, 0x50, 0xff, 0x00]),
  'latchkey.yaml': 'limits: { valueBytesMax: 256KiB }\n',
  'sensors.csv':
    'id;room;temp;temperature;at\n1;kitchen;21.50;21.5;2026-11-20T12:00:00Z\n3;cellar;cold;7;2026-11-20T12:00:05Z\n',
};

/** What the pages have on ports 6379 and 6380. */
interface Redis {
  readonly primary: RedisProcess;
  readonly replica: RedisProcess;
}

async function redisPair(scope: Scope): Promise<Redis> {
  const primary = await startRedis(scope, { notifications: 'KEA' });
  const replica = await startRedis(scope, { notifications: 'KEA', replicaOf: primary });
  while ((await replica.info('master_link_status')) !== 'up');
  return { primary, replica };
}

/** A folder that looks like the checkout, with `latchkey` on its PATH. */
class Folder {
  readonly path = mkdtempSync(join(tmpdir(), 'latchkey-shown-'));
  readonly #server: ServerProcess;
  readonly #redis: Redis | undefined;

  constructor(server: ServerProcess, redis: Redis | undefined) {
    this.#server = server;
    this.#redis = redis;
    for (const name of readdirSync(ROOT)) {
      if (!name.startsWith('.git') && name !== 'latchkey-data') symlinkSync(join(ROOT, name), join(this.path, name));
    }
    for (const name of ['backups', 'var/lib', 'bin', '.config/fish/completions'])
      mkdirSync(join(this.path, name), { recursive: true });
    symlinkSync(server.data, join(this.path, 'var/lib/latchkey'));
    for (const name of ['latchkey', 'kvs-cli']) {
      const program = join(this.path, 'bin', name);
      writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${join(ROOT, `server/bin/${name}.js`)}' "$@"\n`);
      chmodSync(program, 0o755);
    }
    // What the pages pipe into is not what is tested.
    writeFileSync(join(this.path, 'bin/jq'), '#!/bin/sh\nexec cat\n', { mode: 0o755 });
    for (const [name, content] of Object.entries(FILES)) writeFileSync(join(this.path, name), content);
  }

  /** Resolves with the exit code and what it printed; of one that still runs, when it has shown that it does. */
  async run(command: string): Promise<string> {
    const own = command
      .replace(/http:\/\/(127\.0\.0\.1:23333|old:23333|new:23333)/g, this.#server.url)
      .replaceAll('23333', String(this.#server.port))
      .replaceAll('redis://127.0.0.1:6379', this.#redis?.primary.url ?? '')
      .replaceAll('redis://127.0.0.1:6380', this.#redis?.replica.url ?? '')
      .replace(/--port \d+/, '--port 0')
      .replace(/--data \/var\/lib\/latchkey(?= --log)/, '--data own-data')
      .replace(/(?<=\s)\/(backups|var\/lib)\b/g, `${this.path}/$1`);
    const child = spawn('bash', ['-c', `set -o pipefail; fpath=(. '${this.path}'); ${own}`], {
      cwd: this.path,
      detached: true,
      env: cleanEnvironment({
        HOME: this.path,
        TMPDIR: this.path,
        PATH: `${this.path}/bin:${process.env.PATH}`,
        LATCHKEY_SERVER: this.#server.url,
        LATCHKEY_HTTP_PORT: '0',
      }),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const stop = () => {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
    };
    const timer = setTimeout(stop, TIMEOUT_MS);
    let printed = '';
    let isShown = false;
    const stillRuns = STILL_RUNS.test(command);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        printed += text;
        if (!stillRuns || !/http:\/\/|"op":|\bput\b/.test(printed)) return;
        isShown = true;
        stop();
      });
    }
    const writing = / watch\b/.test(command)
      ? setInterval(() => void put(this.#server.url, 'sensor.shown', Date.now()).catch(() => {}), 200)
      : undefined;
    const [code, signal] = await once(child, 'close');
    clearTimeout(timer);
    clearInterval(writing);
    return (stillRuns && isShown) || code === 0 ? 'done' : `exit ${code ?? signal}: ${printed}`;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

const all = pages().flatMap(shownCommands);
const exceptionOf = (page: string, command: string) =>
  EXCEPTED.find((each) => each.page === page && each.command === command);

/** What is run of a page: no exception, and nothing that docs.test.ts runs. */
function commandsOf(page: string): readonly string[] {
  const shown = shownCommands(page).filter(
    ({ command }) => !(COMPARED.includes(page) && /^(curl|printf|npm run)/.test(command)),
  );
  const commands = shown.map(({ command }) => (exceptionOf(page, command) ?? { instead: command }).instead);
  return [...new Set(commands.filter((command) => command !== undefined))];
}

/** The commands in their order, in one folder and beside one server. */
function runAll(name: string, commands: readonly string[]): void {
  if (commands.length === 0) return;
  describe(name, { concurrency: 1, timeout: 150_000 }, () => {
    let server: ServerProcess;
    let folder: Folder;
    const ended: (() => unknown)[] = [];
    before(async () => {
      server = await ServerProcess.start();
      const needsRedis = commands.some((command) => command.includes('redis://127.0.0.1'));
      folder = new Folder(server, needsRedis ? await redisPair({ after: (done) => ended.unshift(done) }) : undefined);
      await put(server.url, 'sensor.1', { temp: 21.5 });
    });
    after(async () => {
      await server.dispose();
      for (const done of ended) await done();
      folder.remove();
    });
    for (const command of commands) test(command, async () => assert.equal(await folder.run(command), 'done'));
  });
}

describe('the commands that the pages show', { concurrency: 2 }, () => {
  const everywhere = pages().flatMap(commandsOf);
  runAll('what starts all that it needs, of any page', [
    ...new Set(everywhere.filter((command) => STARTS_ALL.test(command))),
  ]);
  for (const page of pages()) {
    runAll(
      page,
      commandsOf(page).filter((command) => !STARTS_ALL.test(command)),
    );
  }

  test('every yaml block is settings that load', (t) => {
    const cwd = temporaryFolder(t);
    for (const page of pages()) {
      for (const text of shownBlocks(page, 'yaml')) {
        writeFileSync(join(cwd, 'latchkey.yaml'), text);
        const { settings, warnings } = loadSettings({ file: 'latchkey.yaml', cwd });
        assert.deepEqual([page, warnings], [page, []]);
        checkSettings(settings);
      }
    }
  });

  test('an exception that no page shows any more is gone from the list', () => {
    const left = EXCEPTED.filter(
      (each) => !all.some(({ command, page }) => command === each.command && page === each.page),
    );
    assert.deepEqual(left, []);
  });
});

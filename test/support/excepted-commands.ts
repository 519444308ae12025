/** Commands of the pages that are not run as they stand: why, and what is run in their place, if anything. */
export interface Excepted {
  readonly page: string;
  readonly command: string;
  readonly why: string;
  /** Absent: nothing; the reason says what covers it. */
  readonly instead?: string;
}

const QUARTER = 'a measurement of a quarter of an hour';
const ITSELF = 'it is the run that this is part of';
const SERVES = 'test/e2e/start-page.test.ts does the same with its own server';
const TAKEN = 'port 6379, where a machine may have a Redis of its own';
const QUIET = 'nobody writes those keys there';
const WATCH = 'latchkey watch sensor.shown';
const CI = '`npm ci` would take away what the tests are running on';
const KEYDB =
  'latchkey lag --writer redis://keydb_01 --observe keyspace+callback@redis://keydb_02 --observe keyspace+iterator@redis://keydb_03 --seed-output';
const ANSWERS =
  'latchkey lag --only observers --writer redis://127.0.0.1:6379 --observe pubsub --handshake pong --count 5 & sleep 1; ' +
  'latchkey lag --only writer --writer redis://127.0.0.1:6379 --handshake pong && wait $!';
const ROUND = 'npm run -s torture -- --runs 1 --rounds 1 --minutes 0.05 --seed 42';
const QUICK = 'npm run bench -- --quick --only start';

export const EXCEPTED: readonly Excepted[] = [
  { page: 'README.md', command: 'npm ci && npm start', why: CI, instead: 'npm start' },
  { page: 'README.md', command: 'npm ci && npm test', why: ITSELF },
  { page: 'CONTRIBUTING.md', command: 'npm ci && npm start', why: CI, instead: 'npm start' },
  { page: 'CONTRIBUTING.md', command: 'npm ci && npm test', why: ITSELF },
  { page: 'docs/start.md', command: 'npm ci && npm start', why: CI, instead: 'npm start' },
  {
    page: 'docs/start.md',
    command: 'npm run five-minutes',
    why: 'it clones and runs `npm ci`; test/e2e/start-page.test.ts runs it with --here',
  },
  { page: 'docs/start.md', command: 'python3 -m http.server 8000 --bind 127.0.0.1', why: SERVES },
  {
    page: 'docs/coming-from-kv-store.md',
    command: 'npm ci && npm start -- --preset kv-store',
    why: CI,
    instead: 'npm start -- --preset kv-store',
  },
  {
    page: 'docs/coming-from-kvupdater.md',
    command: 'latchkey serve --preset kvupdater --config config.py',
    why: 'the Redis of that file is in a cluster',
    instead: 'latchkey config check --preset kvupdater --config config.py',
  },
  {
    page: 'docs/coming-from-kvupdater.md',
    command: 'latchkey serve --preset kvupdater --log local --resp 127.0.0.1:6379',
    why: TAKEN,
    instead: 'latchkey serve --preset kvupdater --log local --resp 127.0.0.1:0',
  },
  { page: 'docs/coming-from-kvupdater.md', command: 'latchkey watch weather', why: QUIET, instead: WATCH },
  { page: 'docs/coming-from-redis-cache-sync.md', command: 'npm install', why: CI },
  {
    page: 'docs/coming-from-redis-cache-sync.md',
    command: 'npm start -- --preset redis-cache-sync',
    why: TAKEN,
    instead: 'npm start -- --preset redis-cache-sync --log local',
  },
  {
    page: 'docs/coming-from-redis-backend-ms.md',
    command: 'latchkey serve --preset redis-backend-ms',
    why: `${TAKEN}; test/e2e/presets.test.ts starts it`,
  },
  {
    page: 'docs/coming-from-keydb-poc.md',
    command: 'latchkey serve --preset keydb-poc',
    why: TAKEN,
    instead: 'latchkey serve --preset keydb-poc --resp 127.0.0.1:0',
  },
  {
    page: 'docs/coming-from-keydb-poc.md',
    command: 'latchkey serve --preset keydb-poc --host 0.0.0.0 --resp 0.0.0.0:6379 --insecure',
    why: TAKEN,
    instead: 'latchkey serve --preset keydb-poc --host 0.0.0.0 --resp 0.0.0.0:0 --insecure',
  },
  {
    page: 'docs/coming-from-keydb-poc.md',
    command:
      'latchkey serve --preset keydb-poc --log redis://127.0.0.1:6379 --data node-2 --port 23334 --resp 127.0.0.1:6382',
    why: TAKEN,
    instead:
      'latchkey config check --preset keydb-poc --log redis://127.0.0.1:6379 --data node-2 --port 23334 --resp 127.0.0.1:6382',
  },
  {
    page: 'docs/coming-from-keydb-poc.md',
    command: 'latchkey watch shared_key handshake_key',
    why: QUIET,
    instead: WATCH,
  },
  { page: 'docs/bench.md', command: 'npm run bench', why: QUARTER, instead: QUICK },
  { page: 'docs/bench.md', command: 'npm run bench -- --only fan-out', why: QUARTER, instead: QUICK },
  { page: 'docs/bench.md', command: 'npm run bench -- --quick', why: 'each of its rows takes seconds', instead: QUICK },
  { page: 'docs/bench.md', command: 'npm run bench -- --json', why: QUARTER, instead: `${QUICK} --json` },
  { page: 'docs/bench.md', command: 'npm run bench -- --growth', why: QUARTER },
  {
    page: 'docs/bench.md',
    command: 'npm run bench -- --write',
    why: 'it writes docs/bench.md; bench/page.test.ts does that to a copy',
  },
  {
    page: 'docs/torture.md',
    command: 'npm run torture -- --minutes 32 --seed 20261125',
    why: 'half an hour; test/guarantees/faults.test.ts runs every fault',
    instead: ROUND,
  },
  {
    page: 'docs/torture.md',
    command: 'npm run torture -- --nodes --minutes 6 --rounds 12 --seed 11 --at-once 1',
    why: 'six minutes; test/guarantees/nodes.test.ts runs most of the faults',
  },
  {
    page: 'docs/verify.md',
    command: 'latchkey verify http://127.0.0.1:24600',
    why: '15 s',
    instead: 'latchkey verify --minutes 0.03',
  },
  {
    page: 'docs/verify.md',
    command: 'npm run -s planted -- --bug drop --one-in 10000 --minutes 0.4',
    why: 'half a minute; test/guarantees/planted-bugs.test.ts plants it',
    instead: 'npm run -s planted -- --bug drop --one-in 100 --minutes 0.05; test $? = 1',
  },
  {
    page: 'docs/import.md',
    command: 'latchkey import big.ndjson & sleep 0.9; kill -9 $!',
    why: 'how far it comes is chance; test/e2e/import.test.ts kills imports',
  },
  {
    page: 'docs/import.md',
    command: "latchkey import sensors.csv --key 'sensor:{id}' --map temp:number --omit id --omit at --updated at",
    why: 'exits with 1, as the page says of refused rows',
    instead:
      "latchkey import sensors.csv --key 'sensor:{id}' --map temp:number --omit id --omit at --updated at; test $? = 1",
  },
  {
    page: 'docs/cli.md',
    command: 'latchkey verify http://127.0.0.1:23333',
    why: '15 s',
    instead: 'latchkey verify http://127.0.0.1:23333 --minutes 0.03',
  },
  {
    page: 'docs/cli.md',
    command: 'latchkey verify https://latchkey.example.com --token "$TOKEN" --minutes 10',
    why: 'another machine, ten minutes',
    instead: 'latchkey verify --minutes 0.03 --token t',
  },
  {
    page: 'docs/cli.md',
    command: 'latchkey verify --json | jq .lagMs',
    why: '15 s',
    instead: 'latchkey verify --json --minutes 0.03',
  },
  {
    page: 'docs/cli.md',
    command: 'latchkey restore /backups/2026-11-20 --data /var/lib/latchkey',
    why: 'the data directory is in use here',
    instead: 'latchkey restore /backups/2026-11-20 --data /var/lib/latchkey-restored',
  },
  {
    page: 'docs/cli.md',
    command: KEYDB,
    why: 'three nodes of KeyDB, until Ctrl-C; server/src/cli/lag/lag.test.ts compares its lines',
    instead: `${KEYDB.replace(/keydb_0\d/g, '127.0.0.1:6379')} --count 1 --interval 10ms`,
  },
  {
    page: 'docs/lag.md',
    command: 'latchkey lag --writer redis://127.0.0.1:6379 --seed-output --interval 1s',
    why: 'it goes on until Ctrl-C',
    instead: 'latchkey lag --writer redis://127.0.0.1:6379 --seed-output --interval 1s --count 1',
  },
  {
    page: 'docs/lag.md',
    command: 'latchkey lag --only observers --writer redis://b:6379 --observe keyspace --handshake pong',
    why: 'one of two, on two machines',
    instead: ANSWERS,
  },
  {
    page: 'docs/lag.md',
    command: 'latchkey lag --only writer    --writer redis://a:6379 --handshake pong',
    why: 'the other of the two',
    instead: ANSWERS,
  },
  ...['show 01J9Z', 'replay 01J9Z', 'drop 01J9Z 01JA0'].map((words) => ({
    page: 'docs/cli.md',
    command: `latchkey dead-letters ${words}`,
    why: 'no route of this version makes a dead letter; server/src/cli/client-commands.test.ts runs it against answers of a server',
  })),
  ...['npm test -- test/guarantees', 'LATCHKEY_SEED=7 npm test -- kill-loop'].map((command) => ({
    page: 'test/guarantees/README.md',
    command,
    why: ITSELF,
  })),
  ...['--minutes 60 --seed 42', '--minutes 60 --json', '--runs 1 --seed 2693262067'].map((words) => ({
    page: 'test/guarantees/README.md',
    command: `npm run torture -- ${words}`,
    why: 'an hour, or half a minute a run; test/guarantees/faults.test.ts runs every fault',
    instead: words.endsWith('--json') ? `${ROUND} --json` : ROUND,
  })),
  {
    page: 'test/guarantees/README.md',
    command: 'npm run torture -- --minutes 60 --nodes',
    why: 'an hour; test/guarantees/nodes.test.ts runs most of the faults',
  },
];

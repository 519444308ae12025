import type { Command } from 'commander';
import type { DeadLettersOptions } from './dead-letters.ts';
import type { DeleteOptions } from './delete.ts';
import type { GetOptions } from './get.ts';
import type { LagOptions } from './lag/plan.ts';
import type { ListOptions } from './list.ts';
import { collect, examples } from './option-parts.ts';
import { addBulk } from './program-bulk.ts';
import type { SetOptions } from './set.ts';
import type { VerifyOptions } from './verify.ts';
import type { WatchOptions } from './watch.ts';

/** The commands that speak with a running server. */
export function addDataCommands(program: Command): void {
  addReading(program);
  addWriting(program);
  addWatch(program);
  addBulk(program);
  addDeadLetters(program);
  addVerify(program);
  program
    .command('status')
    .description('show what the server says of itself: its log, who is behind it, its sources and sinks')
    .addHelpText('after', examples('latchkey status', 'latchkey status --json'))
    .action(async (_options: object, command: Command) => {
      const { runStatus } = await import('./status.ts');
      await runStatus(command.optsWithGlobals());
    });
  addLag(program);
}

function addReading(program: Command): void {
  program
    .command('get')
    .description('print the value of a key as it is kept, or list entries')
    .argument('[key]')
    .option('-k, --key <key>', 'the key, as an option')
    .option('-a, --all', 'every entry')
    .option('--prefix <prefix>', 'every entry whose key begins so')
    .addHelpText(
      'after',
      examples(
        'latchkey get sensor.1',
        'latchkey get sensor.1 --json      # with version and times',
        'latchkey get --prefix sensor.',
      ),
    )
    .action(async (key: string | undefined, _options: object, command: Command) => {
      const { runGet } = await import('./get.ts');
      await runGet(key, command.optsWithGlobals<GetOptions>());
    });
  program
    .command('list')
    .description('list entries in the order of their keys')
    .option('--prefix <prefix>', 'only keys that begin so')
    .option('--pattern <glob>', 'only keys that match, e.g. "battery:*:data"')
    .option('--limit <count>', 'at most so many')
    .addHelpText(
      'after',
      examples('latchkey list', "latchkey list --pattern 'battery:*'", 'latchkey list --json | jq .key'),
    )
    .action(async (_options: object, command: Command) => {
      const { runList } = await import('./list.ts');
      await runList(command.optsWithGlobals<ListOptions>());
    });
}

function addWriting(program: Command): void {
  program
    .command('set')
    .description('write the whole value of a key; JSON where it is JSON, text otherwise, - reads standard input')
    .argument('[words...]', 'KEY VALUE')
    .option('-k, --key <key>', 'the key, as an option')
    .option('-v, --value <value>', 'the value, as an option')
    .option('--text', 'text even where it could be JSON')
    .option('--ttl <seconds>', 'expires after so many seconds')
    .option('--updated <time>', 'when the value was true (RFC 3339); an older one than what is there changes nothing')
    .option('--valid <time>', 'until when it is true (RFC 3339); past it the entry is stale')
    .option('--if-absent', 'only where there is no entry')
    .option('--if-version <version>', 'only where the entry has this version')
    .addHelpText(
      'after',
      examples(
        `latchkey set sensor.1 '{"temp":21.5}' --ttl 60`,
        'latchkey set lock me --if-absent || echo taken      # exit code 4',
        'latchkey set picture - < picture.png',
      ),
    )
    .action(async (words: string[], _options: object, command: Command) => {
      const { runSet } = await import('./set.ts');
      await runSet(words, command.optsWithGlobals<SetOptions>());
    });
  program
    .command('delete')
    .description('remove a key, or every key that matches a pattern')
    .argument('[key]')
    .option('-k, --key <key>', 'the key, as an option')
    .option('--pattern <glob>', "every key that matches; '*' means all")
    .option('--dry-run', 'with --pattern: only list what would go')
    .option('--updated <time>', 'when it was removed (RFC 3339)')
    .option('--if-version <version>', 'only where the entry has this version')
    .addHelpText('after', examples('latchkey delete sensor.1', "latchkey delete --pattern 'cache:*' --dry-run"))
    .action(async (key: string | undefined, _options: object, command: Command) => {
      const { runDelete } = await import('./delete.ts');
      await runDelete(key, command.optsWithGlobals<DeleteOptions>());
    });
}

function addWatch(program: Command): void {
  program
    .command('watch')
    .description(
      'print what is there, then every change as it happens; resumes by itself; Ctrl-C ends it (exit code 130)',
    )
    .argument('[keys...]', 'only these keys')
    .option('-k, --key <key>', 'a key, as an option')
    .option('--prefix <prefix>', 'keys that begin so (repeatable)', collect)
    .option('--pattern <glob>', 'keys that match (repeatable)', collect)
    .option('--from <position>', 'start, now, or the position of an event seen before', 'start')
    .option('--count <count>', 'end after so many changes')
    .option('--no-values', 'leave values out')
    .addHelpText(
      'after',
      examples(
        'latchkey watch',
        'latchkey watch --prefix sensor. --from now',
        'latchkey watch --json | tee changes.ndjson      # each line has the position to go on from',
      ),
    )
    .action(async (keys: string[], _options: object, command: Command) => {
      const { runWatch } = await import('./watch.ts');
      await runWatch(keys, command.optsWithGlobals<WatchOptions>());
    });
}

function addVerify(program: Command): void {
  program
    .command('verify')
    .description('write and watch a running deployment under a prefix of its own, and check every guarantee; cleans up')
    .argument('[url]', 'where it is, instead of --server')
    .option('--minutes <minutes>', 'how long; fractions allowed', '0.25')
    .option('--prefix <prefix>', 'of every key that is written; a random run id follows', 'latchkey-verify.')
    .option('--writers <count>', 'by PUT, POST /v1/commands and WebSocket in turn', '3')
    .option('--watchers <count>', 'by server-sent events and WebSocket, with several filters, in turn', '8')
    .option('--seed <seed>', 'repeats the choices of a run')
    .addHelpText(
      'after',
      `${examples(
        'latchkey verify http://127.0.0.1:23333',
        'latchkey verify https://latchkey.example.com --token "$TOKEN" --minutes 10',
        'latchkey verify --json | jq .lagMs',
      )}

Exit codes: 0 every guarantee held, 1 one did not (each violation is printed), 6 the deployment cannot be reached.`,
    )
    .action(async (url: string | undefined, _options: object, command: Command) => {
      const { runVerify } = await import('./verify.ts');
      await runVerify(url, command.optsWithGlobals<VerifyOptions>());
    });
}

function addLag(program: Command): void {
  program
    .command('lag')
    .description(
      'write a value again and again, observe it by several paths, and show how long each takes and what it misses',
    )
    .option('--writer <url>', 'where to write: redis://, rediss://, http:// or https:// (default: the server)')
    .option(
      '--observe <path[+style][@url]>',
      'keyspace, tracking, pubsub, stream, sse, websocket, resp or poll:100ms, there or, without a URL, where the writer ' +
        'writes (repeatable; default sse, websocket and poll:100ms; of a Redis keyspace, tracking and poll:100ms)',
      collect,
    )
    .option('--style <style>', 'how to listen: callback (default), iterator, or both')
    .option('--only <part>', 'writer or observers, where the other part runs as another program')
    .option('--interval <duration>', 'from one write to the next (default 20ms)')
    .option('--count <count>', 'values to write (default 100)')
    .option('--key <key>', 'written to; removed at the end if it was not there (default latchkey-lag)')
    .option('--handshake <key>', 'have each observer answer under this key, and show the round trips')
    .option('--channel <name>', 'of pubsub; a writer on a Redis publishes there as well', 'latchkey-lag')
    .option('--set-notifications', 'set notify-keyspace-events for keyspace where it is missing, and put it back')
    .option(
      '--seed-output',
      'values and lines of keyDB-POC: shared_key every 10s until Ctrl-C, answered under handshake_key, both styles',
    )
    .addHelpText(
      'after',
      `${examples(
        'latchkey lag',
        'latchkey lag --observe sse --observe websocket@http://127.0.0.1:23333 --style both',
        'latchkey lag --writer redis://127.0.0.1:6379 --observe keyspace --observe tracking@redis://127.0.0.1:6380',
        'latchkey lag --writer redis://keydb_01 --observe keyspace+callback@redis://keydb_02 --observe keyspace+iterator@redis://keydb_03 --seed-output',
        'latchkey lag --only writer --handshake pong      # and elsewhere: latchkey lag --only observers --handshake pong',
        "latchkey lag --json | jq '.observers[] | {path, p99: .lagMicros.p99}'",
      )}

Exit codes: 0 measured, 2 wrong usage or a setting that Redis lacks, 5 a login is missing, 6 a place cannot be reached, 7 a path shows
nothing of what is written, 130 interrupted (what was measured until then is printed).`,
    )
    .action(async (_options: object, command: Command) => {
      const { runLag } = await import('./lag/run.ts');
      await runLag(command.optsWithGlobals<LagOptions>());
    });
}

function addDeadLetters(program: Command): void {
  const group = program
    .command('dead-letters')
    .description('messages that could not be decoded or decided')
    .addHelpText('after', examples('latchkey dead-letters list', 'latchkey dead-letters replay --all --dry-run'));
  group
    .command('list', { isDefault: true })
    .description('list them, the oldest first')
    .option('--source <name>', 'only of this source')
    .option('--limit <count>', 'at most so many')
    .addHelpText('after', examples('latchkey dead-letters list --source ems'))
    .action(async (_options: object, command: Command) => {
      const { listDeadLetters } = await import('./dead-letters.ts');
      await listDeadLetters(command.optsWithGlobals<DeadLettersOptions>());
    });
  group
    .command('show')
    .description('show one with its message')
    .argument('<id>')
    .addHelpText('after', examples('latchkey dead-letters show 01J9Z'))
    .action(async (id: string, _options: object, command: Command) => {
      const { showDeadLetter } = await import('./dead-letters.ts');
      await showDeadLetter(id, command.optsWithGlobals<DeadLettersOptions>());
    });
  group
    .command('replay')
    .description('try one again, or all of them')
    .argument('[id]')
    .option('--all', 'every dead letter')
    .option('--source <name>', 'with --all: only of this source')
    .option('--dry-run', 'only tell whether it could be read')
    .addHelpText('after', examples('latchkey dead-letters replay 01J9Z', 'latchkey dead-letters replay --all'))
    .action(async (id: string | undefined, _options: object, command: Command) => {
      const { replayDeadLetters } = await import('./dead-letters.ts');
      await replayDeadLetters(id, command.optsWithGlobals<DeadLettersOptions>());
    });
  group
    .command('drop')
    .description('forget some of them')
    .argument('<ids...>')
    .addHelpText('after', examples('latchkey dead-letters drop 01J9Z 01JA0'))
    .action(async (ids: string[], _options: object, command: Command) => {
      const { dropDeadLetters } = await import('./dead-letters.ts');
      await dropDeadLetters(ids, command.optsWithGlobals<DeadLettersOptions>());
    });
}

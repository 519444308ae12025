import type { Command } from 'commander';
import type { BackupOptions } from './backup.ts';
import type { CheckOptions } from './config-check.ts';
import type { ConfigOptions } from './config-show.ts';
import { examples } from './option-parts.ts';
import type { ServeOptions } from './serve.ts';
import type { ServerOptions } from './server-options.ts';

/** The commands that work where the data is, without a running server. */
export function addMaintenance(program: Command): void {
  addBackup(program);
  addConfig(program);
  program
    .command('completion')
    .description('print a completion script for your shell, which offers commands, options and the keys of the server')
    .argument('[shell]', 'bash, zsh or fish')
    .option('--keys <prefix>', 'print keys that begin so instead, as the scripts ask for them')
    .addHelpText(
      'after',
      examples(
        'source <(latchkey completion bash)',
        'latchkey completion zsh > "$' + '{fpath[1]}/_latchkey"',
        'latchkey completion fish > ~/.config/fish/completions/latchkey.fish',
      ),
    )
    .action(async (shell: string | undefined, _options: object, command: Command) => {
      const options = command.optsWithGlobals<ServerOptions & { keys?: string }>();
      if (options.keys !== undefined) {
        const { printKeys } = await import('./completion/keys.ts');
        return await printKeys(options.keys, options);
      }
      const { printCompletion } = await import('./completion/completion.ts');
      await printCompletion(program, shell);
    });
}

function addConfig(program: Command): void {
  const config = program
    .command('config')
    .description('settings of the server')
    .addHelpText('after', examples('latchkey config check --connect', 'latchkey config show --given'));
  withSettings(config.command('check'))
    .description('check the settings that serve would take, all faults at once, and print them')
    .option('--connect', 'also try what they name: the data directory, the port')
    .addHelpText('after', examples('latchkey config check --config latchkey.yaml', 'latchkey config check --connect'))
    .action(async (_options: object, command: Command) => {
      const { runConfigCheck } = await import('./config-check.ts');
      await runConfigCheck(serveOptionsOf<CheckOptions>(command));
    });
  withSettings(config.command('show'))
    .description('show every setting in effect and where it comes from; what a reference leads to is not shown')
    .option('--given', 'only what is not a default')
    .addHelpText(
      'after',
      examples('latchkey config show', 'latchkey config show --given', 'latchkey config show --json'),
    )
    .action(async (_options: object, command: Command) => {
      const { runConfigShow } = await import('./config-show.ts');
      await runConfigShow(serveOptionsOf<ConfigOptions>(command));
    });
  config
    .command('schema')
    .description('print the JSON Schema of latchkey.yaml, by which editors complete and check it')
    .addHelpText('after', examples('latchkey config schema > latchkey.schema.json'))
    .action(async () => {
      const { settingsJsonSchema } = await import('../config/json-schema.ts');
      const { printLine } = await import('./output.ts');
      await printLine(JSON.stringify(settingsJsonSchema(), undefined, 2));
    });
}

/** Of the options of the whole program, these commands take --json alone. */
function serveOptionsOf<Options extends { readonly json?: boolean }>(command: Command): Options {
  const { json } = command.optsWithGlobals<{ json?: boolean }>();
  return { ...command.opts<Options>(), ...(json === undefined ? {} : { json }) };
}

export function addServe(program: Command): void {
  withSettings(program.command('serve').configureHelp({ showGlobalOptions: false }))
    .description('run the server; SIGTERM or Ctrl-C stops it cleanly, a second one at once')
    .addHelpText(
      'after',
      examples(
        'latchkey serve',
        'latchkey serve --port 8080 --data /var/lib/latchkey --log-format json',
        'latchkey serve --workers 4',
        'latchkey serve --preset kv-store --host 0.0.0.0 --insecure',
      ),
    )
    .action(async (options: ServeOptions) => {
      const { runServe } = await import('./serve.ts');
      await runServe(options);
    });
}

function withSettings(command: Command): Command {
  return command
    .option('--host <address>', 'address to listen on (default 127.0.0.1)')
    .option('--port <port>', 'port to listen on (default 23333; 0 takes a free one)')
    .option('--data <dir>', 'data directory (default ./latchkey-data)')
    .option('--log <kind>', 'which log: local, redis, or the redis://… that it is in')
    .option('--workers <count>', 'processes that serve beside the one that writes (default 0)')
    .option('--preset <name...>', 'settings of a system that Latchkey replaces: kv-store')
    .option('--resp <host:port>', 'where the Redis protocol gateway listens')
    .option('--config <file>', 'settings file (default latchkey.yaml, if it is there)')
    .option('--insecure', 'allow listening beyond loopback without authentication')
    .option('--log-level <level>', 'debug, info, warn or error')
    .option('--log-format <format>', 'json or text');
}

function addBackup(program: Command): void {
  program
    .command('backup')
    .description('copy the data directory, also while a server runs on it')
    .argument('<destination>', 'a path that does not exist yet')
    .option('--data <dir>', 'data directory (default: as serve)')
    .option('--config <file>', 'settings file (default latchkey.yaml, if it is there)')
    .addHelpText('after', examples('latchkey backup /backups/2026-11-20 --data /var/lib/latchkey'))
    .action(async (destination: string, _options: object, command: Command) => {
      const { runBackup } = await import('./backup.ts');
      await runBackup(destination, command.optsWithGlobals<BackupOptions>());
    });
  program
    .command('restore')
    .description('make a data directory of a backup')
    .argument('<source>', 'what backup wrote')
    .option('--data <dir>', 'data directory to make; must not exist or be empty (default: as serve)')
    .option('--config <file>', 'settings file (default latchkey.yaml, if it is there)')
    .addHelpText('after', examples('latchkey restore /backups/2026-11-20 --data /var/lib/latchkey'))
    .action(async (source: string, _options: object, command: Command) => {
      const { runRestore } = await import('./backup.ts');
      await runRestore(source, command.optsWithGlobals<BackupOptions>());
    });
}

import { createProgram } from '../server/src/cli/program.ts';

type Command = ReturnType<typeof createProgram>;

const HELP_WIDTH = 110;

/** What `--json` prints, by command; these names and forms stay. */
const JSON_OUTPUT: Readonly<Record<string, string>> = {
  get: 'the entry: `{"key","value","version","updated","valid"?,"expires"?,"stale"?,"origin"?,"contentType"?,"encoding"?}`',
  list: 'such an entry a line',
  set: 'the outcome: `{"outcome":"applied","version"}`, or `duplicate`',
  delete: 'the outcome; with `--pattern` also `"removed"`, `"keys"`, `"truncated"`',
  watch: 'every event a line, each with the `"position"` to go on from',
  import:
    '`{"source","format","rows","skipped","unconfirmed","expired","refused","seconds","applied","duplicate","late","conflict","value","rejects"}`',
  export: 'to a file: `{"entries","position","file"}`',
  'dead-letters list': 'a dead letter a line',
  'dead-letters show': 'the dead letter',
  'dead-letters replay': 'what became of it: `{"id","kept"?,"error"?,"outcomes"?,"commands"?}`, one a line',
  verify: 'the report: see [verify.md](verify.md)',
  status: 'what `GET /v1/status` answers',
  lag: 'the report: see [lag.md](lag.md)',
  backup: '`{"bytes","position"}`',
  restore: '`{"bytes","position","data"}`',
  'config check': 'the settings, resolved, on one line',
  'config show': '`{PATH:{"value","origin"}}`',
};

/** `docs/cli.md`: what holds for every command, then each command's own help. */
export function cliPage(note: string): string {
  const program = createProgram();
  const commands = program.commands.flatMap((each) => leaves(each, each.name()));
  const rows = commands.flatMap(([path]) => {
    const json = JSON_OUTPUT[path];
    return json === undefined ? [] : [`| [\`${path}\`](#latchkey-${path.replaceAll(' ', '-')}) | ${json} |`];
  });
  const sections = commands.map(([path, command]) => `## latchkey ${path}\n\n\`\`\`\n${helpOf(command)}\n\`\`\``);
  return `# The command line

${note}

\`latchkey\` runs the server and speaks with one. In a checkout it is \`npm run -s latchkey --\`.

## What holds everywhere

- **Where the server is**: \`--server URL\` or \`--server-address HOST:PORT\`, else \`LATCHKEY_SERVER\`, else \`http://127.0.0.1:23333\`.
  A token: \`--token\` or \`LATCHKEY_TOKEN\`; \`file:PATH\` and \`env:NAME\` stand for what is in a file or a variable, where no list
  of processes shows it.
- **Results go to standard output, everything else to standard error.** Colours, bars and cut columns are for terminals alone;
  \`NO_COLOR=1\` turns colours off. Control characters of keys and values are shown, never carried out.
- **\`--json\`** prints results as JSON, and an error as \`{"error":{"code","message",…}}\` on standard error. The codes are those of
  [errors.md](errors.md). New fields may come; those below stay.
- **Exit codes**: 0 done, 1 error, 2 wrong usage or settings, 3 not found, 4 conflict (a condition did not hold, a write was late),
  5 unauthorised, 6 server unavailable, 7 timeout, 130 interrupted.
- **Long commands** (\`import\`, \`export\`, \`backup\`, \`restore\`) show on a terminal how far they are, at what rate, and what time is
  left; \`verify\` shows its counts, the rate of writes and the time that is left.

| command | what \`--json\` prints |
|---|---|
${rows.join('\n')}

## Completion

Commands, options and, for \`get\`, \`set\`, \`delete\` and \`watch\`, the keys of the server, which is asked for at most 500 ms:

\`\`\`
source <(latchkey completion bash)                                   # in ~/.bashrc
latchkey completion zsh > "\${fpath[1]}/_latchkey"
latchkey completion fish > ~/.config/fish/completions/latchkey.fish
\`\`\`

${sections.join('\n\n')}
`;
}

/** The commands that do something, with their words. A group that has a default shows it by itself. */
function leaves(command: Command, path: string): readonly (readonly [string, Command])[] {
  if (command.commands.length === 0) return [[path, command]];
  return command.commands.flatMap((each) => leaves(each, `${path} ${each.name()}`));
}

function helpOf(command: Command): string {
  let text = '';
  command.configureHelp({ showGlobalOptions: false }).configureOutput({
    getOutHelpWidth: () => HELP_WIDTH,
    getOutHasColors: () => false,
    writeOut: (part) => {
      text += part;
    },
  });
  command.outputHelp();
  return text.trimEnd();
}

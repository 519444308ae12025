import { LatchkeyError, quote } from '@latchkey/client';
import type { Command } from 'commander';
import { writeOut } from './output.ts';

interface Words {
  /** `''` for the program itself, else the command's words, e.g. `dead-letters list`. */
  readonly path: string;
  readonly words: readonly string[];
}

/** `latchkey completion bash|zsh|fish`: made of the commands themselves, so it never misses one. */
export async function printCompletion(program: Command, shell: string): Promise<void> {
  const scripts: Readonly<Record<string, (words: readonly Words[]) => string>> = { bash, zsh, fish };
  const script = Object.hasOwn(scripts, shell) ? scripts[shell] : undefined;
  if (script === undefined)
    throw new LatchkeyError('usage', `completion takes bash, zsh or fish, but got ${quote(shell)}.`);
  await writeOut(script(wordsOf(program, '')));
}

function wordsOf(command: Command, path: string): Words[] {
  const names = command.commands.map((each) => each.name());
  const options = [...optionsOf(command), ...(path === '' ? [] : globalOptionsOf(command))];
  const inner = command.commands.flatMap((each) => wordsOf(each, path === '' ? each.name() : `${path} ${each.name()}`));
  return [{ path, words: [...names, ...options, '--help'] }, ...inner];
}

function optionsOf(command: Command): string[] {
  return command.options.flatMap((option) => (option.long === undefined || option.long === null ? [] : [option.long]));
}

function globalOptionsOf(command: Command): string[] {
  let root = command;
  while (root.parent !== null) root = root.parent;
  return optionsOf(root).filter((name) => name !== '--version');
}

function bash(all: readonly Words[]): string {
  const cases = all.map(({ path, words }) => `    '${path}') words='${words.join(' ')}' ;;`).join('\n');
  const paths = all.map(({ path }) => `'${path}'`).join('|');
  return `_latchkey() {
  local path='' word words='' index
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    case "\${path:+$path }$word" in ${paths}) path="\${path:+$path }$word" ;; esac
  done
  case "$path" in
${cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _latchkey latchkey
`;
}

/** Zsh runs bash's completion functions. */
function zsh(all: readonly Words[]): string {
  return `#compdef latchkey
autoload -U +X bashcompinit && bashcompinit
${bash(all)}`;
}

function fish(all: readonly Words[]): string {
  const lines = all.map(({ path, words }) => {
    const condition =
      path === ''
        ? '__fish_use_subcommand'
        : path
            .split(' ')
            .map((word) => `__fish_seen_subcommand_from ${word}`)
            .join('; and ');
    return `complete -c latchkey -n '${condition}' -f -a '${words.join(' ')}'`;
  });
  return `${lines.join('\n')}\n`;
}

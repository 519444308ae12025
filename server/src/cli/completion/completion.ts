import { LatchkeyError, quote } from '@latchkey/client';
import type { Command } from 'commander';
import { writeOut } from '../output.ts';
import { bash } from './bash.ts';
import { fish } from './fish.ts';
import type { Word, Words } from './words.ts';
import { zsh } from './zsh.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
const SCRIPTS: Readonly<Record<string, (all: readonly Words[]) => string>> = { bash, zsh, fish };
const WITH_KEYS = ['get', 'set', 'delete', 'watch'];

/** `latchkey completion bash|zsh|fish`: made of the commands themselves, so it never misses one. */
export async function printCompletion(program: Command, shell: string | undefined): Promise<void> {
  const script = shell !== undefined && Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
  if (script !== undefined) return await writeOut(script(wordsOf(program, '')));
  const got = shell === undefined ? 'nothing' : quote(shell);
  throw new LatchkeyError('usage', `completion takes bash, zsh or fish, but got ${got}.`);
}

function wordsOf(command: Command, path: string): Words[] {
  const names = command.commands.map((each) => ({ word: each.name(), about: aboutOf(each.description()) }));
  const options = [...optionsOf(command), ...(path === '' ? [] : globalOptionsOf(command))];
  const inner = command.commands.flatMap((each) => wordsOf(each, path === '' ? each.name() : `${path} ${each.name()}`));
  const arguments_ = path === 'completion' ? SHELLS.map((word) => ({ word, about: `a script for ${word}` })) : [];
  const words = [...names, ...arguments_, ...options, { word: '--help', about: 'print the help' }];
  return [{ path, words, takesKeys: WITH_KEYS.includes(path) }, ...inner];
}

function optionsOf(command: Command): Word[] {
  return command.options.flatMap(({ description, long }) =>
    typeof long === 'string' ? [{ word: long, about: aboutOf(description) }] : [],
  );
}

function globalOptionsOf(command: Command): Word[] {
  let root = command;
  while (root.parent !== null) root = root.parent;
  return optionsOf(root).filter(({ word }) => word !== '--version');
}

/** The first part of a description, of characters that no shell takes for anything else. */
function aboutOf(description: string): string {
  return (description.split(/[:;]/)[0] as string).replace(/[^\w ,.()/-]/g, '');
}

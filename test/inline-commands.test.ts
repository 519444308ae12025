// A command that a sentence names between backticks exists, and so do its options.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createProgram } from '../server/src/cli/program.ts';
import { ROOT } from './support/server-process.ts';
import { pages } from './support/shown-commands.ts';

const SCRIPTS = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object }).scripts;

function problemOf(text: string): string | undefined {
  const [program, ...words] = text.split(/\s+/) as [string, ...string[]];
  if (program === 'npm') {
    const script = words[0] === 'run' ? words.find((word, at) => at > 0 && !word.startsWith('-')) : words[0];
    return script === 'ci' || script === undefined || script in SCRIPTS ? undefined : `no script ${script}`;
  }
  let command: ReturnType<typeof createProgram> = createProgram();
  while (words.length > 0) {
    const next = command.commands.find((each) => each.name() === words[0]);
    if (next === undefined) break;
    command = next;
    words.shift();
  }
  if (command.parent === null && words.length > 0 && !words[0]?.startsWith('-')) return `no command ${words[0]}`;
  const known = ['--help', '-h', '--version'];
  for (let each: typeof command | null = command; each !== null; each = each.parent) {
    known.push(...each.options.flatMap(({ long, short }) => [long, short]).filter((name) => name !== undefined));
  }
  const unknown = words.filter((word) => /^--[a-z]/.test(word) && !known.includes(word.replace(/=.*/, '')));
  return unknown.length > 0 ? `no option ${unknown.join(', ')}` : undefined;
}

test('every command between backticks exists, with its options', () => {
  const problems = pages().flatMap((page) => {
    const prose = readFileSync(join(ROOT, page), 'utf8').replace(/^```[\s\S]*?^```$/gm, '');
    // An error message that begins with the name is no command.
    return [...prose.matchAll(/`((?:latchkey (?!needs )|npm )[a-z-][^`]*)`/g)].flatMap(([, text]) => {
      const problem = problemOf(text as string);
      return problem === undefined ? [] : [`${page}: \`${text}\`: ${problem}`];
    });
  });
  assert.deepEqual(problems, []);
});

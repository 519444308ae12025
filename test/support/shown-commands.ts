/**
 * Every command that a page shows: the lines of `sh` blocks, the lines that begin with `$ `, the examples of a help text, and
 * whatever else in a block begins with a program of ours. `test/e2e/shown-commands.test.ts` runs them.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './server-process.ts';

export interface ShownCommand {
  readonly page: string;
  readonly command: string;
}

const FOLDERS = ['.', 'client', 'dashboard', 'server', 'test/guarantees', 'docs'];
const BLOCK = /^```(.*)\n([\s\S]*?)^```$/gm;
const OURS = /^(latchkey|kvs-cli|npm|npx|node|curl|docker|git) /;

export function pages(): readonly string[] {
  return FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder))
      .filter((name) => name.endsWith('.md') && name !== 'CHANGELOG.md')
      .map((name) => join(folder, name)),
  );
}

export function shownCommands(page: string): readonly ShownCommand[] {
  const blocks = [...readFileSync(join(ROOT, page), 'utf8').matchAll(BLOCK)];
  return blocks
    .flatMap(([, language, text]) => commandsOf(language as string, text as string))
    .map((command) => ({ page, command }));
}

/** The blocks of a language, such as `yaml`. */
export function shownBlocks(page: string, language: string): readonly string[] {
  return [...readFileSync(join(ROOT, page), 'utf8').matchAll(BLOCK)]
    .filter(([, name]) => name === language)
    .map(([, , text]) => text as string);
}

function commandsOf(language: string, text: string): readonly string[] {
  const lines = text
    .replaceAll('\\\n', '\\\0')
    .trimEnd()
    .split('\n')
    .map((line) => line.replaceAll('\0', '\n'));
  const bare = (line: string) => line.replace(/\s+#\s.*$/, '').trim();
  if (language === 'sh') return lines.map(bare).filter((line) => line !== '' && !line.startsWith('#'));
  if (/^(bash|shell|console|zsh)$/.test(language))
    throw new Error(`A block of commands is \`sh\`, or has \`$ \` and no language, but got ${language}: ${text}`);
  if (language !== '') return [];
  const prompted = lines.filter((line) => line.startsWith('$ '));
  if (prompted.length > 0) return prompted.map((line) => bare(line.slice(2)));
  const examples = lines.indexOf('Examples:');
  if (examples >= 0) {
    const end = lines.indexOf('', examples);
    return lines.slice(examples + 1, end < 0 ? undefined : end).map(bare);
  }
  return lines.filter((line) => OURS.test(line) || line.startsWith('source <(')).map(bare);
}

/** Puts what was printed into its place in docs/bench.md, so that the page is what a command printed and nothing else. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const DOCS = fileURLToPath(new URL('../docs/', import.meta.url));
const PAGE = fileURLToPath(new URL('../docs/bench.md', import.meta.url));

/** The text between `<!-- NAME -->` and `<!-- /NAME -->` becomes a block of code with the command and its output. */
export function withBlock(page: string, name: string, command: string, output: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from)
    throw new Error(`docs/bench.md has no place for the output: put the lines ${begin} and ${end} where it belongs.`);
  return `${page.slice(0, from)}${begin}\n\`\`\`\n$ ${command}\n${output}\n\`\`\`\n${page.slice(to)}`;
}

export function writeBlock(name: string, command: string, output: string): void {
  writeFileSync(PAGE, withBlock(readFileSync(PAGE, 'utf8'), name, command, output));
}

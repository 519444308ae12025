// A link that leads nowhere, or a reference page that is out of date, is found here, not by a reader.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { ROOT, runToEnd } from './support/server-process.ts';

const PAGES = [...['.', 'client', 'dashboard', 'server', 'test/guarantees'].flatMap(pagesIn), ...pagesIn('docs')];

function pagesIn(folder: string): readonly string[] {
  return readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name));
}

/** The text without what is shown as code, where brackets mean something else. */
function prose(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8')
    .replace(/^```[\s\S]*?^```$/gm, '')
    .replace(/`[^`\n]*`/g, (code) => (code.includes('](') ? '' : code));
}

/** The anchors of a page, made of headings as GitHub makes them, or written out. */
function anchors(page: string): ReadonlySet<string> {
  const text = readFileSync(join(ROOT, page), 'utf8').replace(/^```[\s\S]*?^```$/gm, '');
  const headings = [...text.matchAll(/^#{1,6} (.*)$/gm)].map(([, heading]) =>
    (heading as string)
      .replace(/<[^>]*>/g, '')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
  const written = [...text.matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id as string);
  return new Set([...headings, ...written]);
}

function problemOf(page: string, link: string): string | undefined {
  const [path, anchor] = link.split('#') as [string, string | undefined];
  const file = path === '' ? page : relative(ROOT, resolve(ROOT, dirname(page), path));
  if (file.startsWith('..')) return `${page}: ${link} leads out of the repository`;
  if (!existsSync(join(ROOT, file))) return `${page}: ${link}, but there is no ${file}`;
  if (anchor === undefined || anchors(file).has(anchor)) return undefined;
  return `${page}: ${link}, but ${file} has no anchor ${anchor}`;
}

describe('documents', () => {
  test('the reference pages are what the code says', async () => {
    const command = [process.execPath, '--conditions=source', join(ROOT, 'scripts/docs.ts'), '--check'];
    const { code, stderr } = await runToEnd(command, { cwd: ROOT });
    assert.deepEqual([code, stderr], [0, '']);
  });

  test('every relative link and anchor leads somewhere', () => {
    const problems = PAGES.flatMap((page) =>
      [...prose(page).matchAll(/\]\((?![a-z]+:)([^)\s]+)\)/g)].map(([, link]) => problemOf(page, link as string)),
    ).filter((problem) => problem !== undefined);
    assert.deepEqual(problems, []);
  });

  test('every row of docs/operating.md that a test stands for leads to that test', () => {
    const rows = readFileSync(join(ROOT, 'docs/operating.md'), 'utf8').split('\n');
    assert.deepEqual(
      rows.filter((row) => /[|,] test \|$/.test(row) || /\[test\]\((?!\S+\.test\.ts\))/.test(row)),
      [],
    );
  });

  test('every page of docs/ can be reached from the README', () => {
    const reached = new Set(['README.md']);
    for (const page of reached) {
      for (const [, path] of prose(page).matchAll(/\]\((?![a-z]+:)([^)#\s]+\.md)/g)) {
        reached.add(relative(ROOT, resolve(ROOT, dirname(page), path as string)));
      }
    }
    assert.deepEqual(
      pagesIn('docs').filter((page) => !reached.has(page)),
      [],
    );
  });
});

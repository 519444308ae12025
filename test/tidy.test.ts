// The rules of this house, held as failing tests: each failure says file and line, what is wrong and what to use instead.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ERRORS } from '@latchkey/client';
import { DEFAULT_SETTINGS } from '../server/src/config/settings.ts';
import {
  bannedCalls,
  fileNames,
  importTable,
  LINES_MAX,
  type Rule,
  type SourceFile,
  sizes,
  unusedFiles,
} from './support/house-rules.ts';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const TEXT = /\.(?:tsx?|js|mjs|json|html|css|md|yaml|yml|sh|lua)$|^\.ci\/|^\.npmrc$|^\.gitignore$|Dockerfile/;

const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: ROOT,
  encoding: 'utf8',
});
const files: readonly SourceFile[] = listed
  .split('\n')
  .filter((path) => TEXT.test(path) && existsSync(join(ROOT, path)))
  .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));

function holds(rule: Rule): void {
  const faults = rule(files);
  assert.equal(faults.length, 0, `\n${faults.join('\n')}\n`);
}

function finds(rule: Rule, path: string, text: string, expected: RegExp): void {
  const faults = rule([{ path, text }]);
  assert.equal(faults.length, 1, `expected one fault, but got: ${JSON.stringify(faults)}`);
  assert.match(faults[0] as string, expected);
}

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

describe('the house', () => {
  test('imports follow the table: stages know contracts only, the client knows nothing', () => holds(importTable));
  test('banned calls have their replacement', () => holds(bannedCalls));
  test('no file is a drawer for anything', () => holds(fileNames));
  test(`no file is longer than ${LINES_MAX} lines`, () => holds(sizes));
  test('every source file is used', () => holds(unusedFiles));

  test('no tracked file names a path of this machine', () => {
    const own = [ROOT, homedir()].filter((path) => path.split('/').length > 2).map((path) => `${path}/`);
    holds((all) =>
      all.flatMap(({ path, text }) =>
        text.split('\n').flatMap((line, index) => {
          const found = own.find((each) => line.includes(each));
          return found === undefined
            ? []
            : [`${path}:${index + 1}: names ${found}; use a path relative to the repository.`];
        }),
      ),
    );
  });

  test('the lock file names no registry host', () => {
    const line =
      read('package-lock.json')
        .split('\n')
        .findIndex((each) => /"resolved": "https?:/.test(each)) + 1;
    assert.equal(
      line,
      0,
      `package-lock.json:${line}: names a host; .npmrc has omit-lockfile-registry-resolved=true, make it anew.`,
    );
  });

  test('the README shows the two commands, and CI runs the one for tests', () => {
    const readme = read('README.md');
    for (const command of ['npm ci && npm start', 'npm ci && npm test']) {
      assert.ok(readme.includes(command), `README.md:1: does not show \`${command}\`.`);
    }
    assert.ok(
      read('.ci/run').split('\n').includes('npm ci && npm test'),
      '.ci/run:1: does not run the README’s test command.',
    );
  });

  test('every npm script that the documents name exists', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    holds((all) =>
      all
        .filter(({ path }) => path.endsWith('.md'))
        .flatMap(({ path, text }) =>
          text
            .split('\n')
            .flatMap((line, index) =>
              [...line.matchAll(/\bnpm run ([a-z][\w:-]*)/g)]
                .filter(([, name]) => scripts[name as string] === undefined)
                .map(([, name]) => `${path}:${index + 1}: \`npm run ${name}\` is no script of package.json.`),
            ),
        ),
    );
  });

  test('the changelog has a place for what is not released', () => {
    assert.match(read('CHANGELOG.md'), /^## \[Unreleased\]$/m);
  });

  test('the reference of errors names every code', () => {
    if (!existsSync(join(ROOT, 'docs/errors.md'))) return;
    const page = read('docs/errors.md');
    const missing = Object.keys(ERRORS).filter((code) => !page.includes(`\`${code}\``));
    assert.deepEqual(missing, [], `docs/errors.md:1: does not name ${missing.join(', ')}.`);
  });

  test('the reference of settings names every setting', () => {
    if (!existsSync(join(ROOT, 'docs/settings.md'))) return;
    const page = read('docs/settings.md');
    const missing = settingPaths(DEFAULT_SETTINGS).filter((path) => !page.includes(`\`${path}\``));
    assert.deepEqual(missing, [], `docs/settings.md:1: does not name ${missing.join(', ')}.`);
  });
});

/** As users write them: `history.ageMax`, not `history.ageMaxMs`. */
function settingPaths(value: object, path = ''): readonly string[] {
  return Object.entries(value).flatMap(([name, inner]) => {
    const own = path === '' ? name : `${path}.${name}`;
    if (typeof inner === 'object' && inner !== null && !Array.isArray(inner)) return settingPaths(inner, own);
    return [own.replace(/Ms$/, (suffix) => (own === 'feed.tickMaxMs' ? suffix : ''))];
  });
}

describe('the rules of the house find what is planted', () => {
  test('a stage that imports another stage’s adapter', () => {
    finds(
      importTable,
      'server/src/feed/a.ts',
      "\nimport { x } from '../log/local.ts';",
      /feed\/a\.ts:2: .*log\/local.*contract/,
    );
    finds(importTable, 'server/src/feed/a.ts', "const { x } = await import('../log/local.ts');", /contract/);
    assert.deepEqual(importTable([{ path: 'server/src/feed/a.ts', text: "import '../log/log.ts';" }]), []);
    assert.deepEqual(importTable([{ path: 'server/src/main.ts', text: "await import('./log/local.ts');" }]), []);
  });
  test('a client with a dependency, and a page that imports the server', () => {
    finds(importTable, 'client/src/a.ts', "import { b } from 'node:buffer';", /no dependencies/);
    finds(importTable, 'dashboard/src/a.ts', "import '../../server/src/main.ts';", /only tests/);
  });
  test('an example that imports more than a reader of it would have', () => {
    finds(
      importTable,
      'examples/board/writer.ts',
      "import { x } from '../../server/src/main.ts';",
      /start the server by its bin/,
    );
    finds(importTable, 'examples/board/page.tsx', "import { x } from 'lodash';", /more than an example may import/);
    assert.deepEqual(
      importTable([{ path: 'examples/board/page.tsx', text: "import { x } from '@latchkey/client';" }]),
      [],
    );
  });
  test('the wall clock, the console and the environment, but not in comments', () => {
    finds(bannedCalls, 'server/src/feed/a.ts', 'const now = Date.now();', /a\.ts:1: .*Clock/);
    finds(bannedCalls, 'server/src/feed/a.ts', 'console.log(1);', /Logger/);
    finds(bannedCalls, 'server/src/feed/a.ts', 'const { env } = process; process.env.X;', /config\//);
    assert.deepEqual(bannedCalls([{ path: 'server/src/config/a.ts', text: '// Date.now()\nprocess.env.X;' }]), []);
  });
  test('any, enums and narrowed tests', () => {
    finds(bannedCalls, 'client/src/a.ts', 'let a: any;', /unknown/);
    finds(bannedCalls, 'client/src/a.ts', 'f(b as any);', /unknown/);
    finds(bannedCalls, 'client/src/a.ts', 'export enum A { B }', /union/);
    finds(bannedCalls, 'client/src/a.test.ts', "test.only('x', f);", /narrows/);
    assert.deepEqual(bannedCalls([{ path: 'client/src/a.ts', text: "const any = 'any of';" }]), []);
  });
  test('drawers, long files and files without a use', () => {
    finds(fileNames, 'server/src/shared/utils.ts', '', /noun/);
    finds(sizes, 'server/src/feed/a.ts', '\n'.repeat(LINES_MAX + 1), /split/);
    finds(unusedFiles, 'server/src/feed/a.ts', 'export {};', /remove/);
  });
});

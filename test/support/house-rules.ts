/**
 * The rules of this house as pure functions over source files: each answers with the faults it found, and a fault says where it
 * is, what is wrong and what to use instead. `test/tidy.test.ts` runs them over the repository.
 */
import { posix } from 'node:path';

/** A file by its path from the repository's root, with `/`. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

export type Rule = (files: readonly SourceFile[]) => readonly string[];

export const LINES_MAX = 400;

export const isTest = (path: string): boolean => /\.(test|suite|fixture)\.ts$/.test(path) || path.startsWith('test/');
const isScript = (path: string): boolean => /\.(tsx?|js|mjs)$/.test(path);

/** The same text with comments blanked out, so that line numbers stay and prose breaks no rule. */
export function withoutComments(text: string): string {
  const blank = (found: string) => found.replace(/[^\n]/g, ' ');
  return text.replace(
    /('(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)|\/\*[\s\S]*?\*\/|(?<![:\\/])\/\/[^\n]*/g,
    (found, literal: string | undefined) => literal ?? blank(found),
  );
}

interface Ban {
  readonly pattern: RegExp;
  readonly says: string;
  readonly where: (path: string) => boolean;
  /** Looks into comments as well. */
  readonly inComments?: boolean;
}

const inServer = (path: string) => path.startsWith('server/src/') && !isTest(path);

const BANS: readonly Ban[] = [
  {
    pattern: /\bDate\.now\(|\bnew Date\(\)/,
    says: 'reads the wall clock; use the Clock that is handed in (shared/clock.ts)',
    where: (path) => inServer(path) && path !== 'server/src/shared/clock.ts',
  },
  {
    pattern: /\bconsole\./,
    says: 'writes to the console; use the Logger that is handed in (shared/logger.ts), or process.stdout in cli/',
    where: inServer,
  },
  {
    pattern: /\bprocess\.env\b/,
    says: 'reads the environment; only config/ does, use the Settings that are handed in',
    where: (path) => inServer(path) && !path.startsWith('server/src/config/'),
  },
  {
    pattern: /^\s*(?:export\s+)?(?:declare\s+)?(?:const\s+)?enum\s+\w/,
    says: 'is an enum; use an `as const` object or a union',
    where: isScript,
  },
  {
    pattern: /(?:[:<,|&(]\s*|\bas\s+)any\b(?!\w|['"`])(?=\s*(?:[;,)>=\]}|&[]|$))/,
    says: 'is `any`; use `unknown` and narrow it',
    where: (path) => /\.tsx?$/.test(path),
  },
  {
    pattern: /@ts-(?:ignore|expect-error|nocheck)|biome-ignore/,
    says: 'silences a checker; mend what it found',
    where: isScript,
    inComments: true,
  },
  {
    pattern: /\b(?:test|it|describe|suite)\.(?:skip|only|todo)\b|\{\s*(?:skip|only|todo):/,
    says: 'narrows the tests; a service that is missing fails the run with how to get it (scripts/services.ts)',
    where: (path) => path.endsWith('.ts'),
  },
  {
    pattern: /\b(?:TO[D]O|FIX[M]E|X[X]X)\b/,
    says: 'is unfinished; finish it, or open an issue and say the limit in the docs',
    where: isScript,
    inComments: true,
  },
  {
    pattern: /\b(?:c8|istanbul|node:coverage) (?:ignore|disable)\b/,
    says: 'hides code from coverage; test it or remove it',
    where: isScript,
    inComments: true,
  },
];

export const bannedCalls: Rule = (files) => {
  const faults: string[] = [];
  for (const { path, text } of files) {
    const bans = BANS.filter((ban) => ban.where(path));
    if (bans.length === 0 || path === 'test/support/house-rules.ts' || path === 'test/tidy.test.ts') continue;
    const lines = text.split('\n');
    const code = withoutComments(text).split('\n');
    for (const { pattern, says, inComments } of bans) {
      for (const [index, line] of (inComments === true ? lines : code).entries()) {
        const found = pattern.exec(line);
        if (found !== null) faults.push(`${path}:${index + 1}: \`${found[0].trim()}\` ${says}.`);
      }
    }
  }
  return faults;
};

export const fileNames: Rule = (files) =>
  files
    .filter(({ path }) => /(?:^|\/)(?:utils?|helpers?|common|types|misc)\.(?:ts|js)$/.test(path))
    .map(({ path }) => `${path}:1: is a drawer for anything; put each thing into the file of its noun.`);

export const sizes: Rule = (files) =>
  files
    .filter(({ path }) => isScript(path))
    .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
    .filter(({ lines }) => lines > LINES_MAX)
    .map(({ path, lines }) => `${path}:${lines}: has ${lines} lines, ${LINES_MAX} are allowed; split it by concept.`);

export interface Import {
  readonly line: number;
  readonly specifier: string;
}

/** Static and dynamic imports and re-exports, in order. */
export function importsOf(text: string): readonly Import[] {
  const code = withoutComments(text);
  return [...code.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*['"]([^'"\n]+)['"]/g)].map((match) => ({
    line: code.slice(0, match.index).split('\n').length,
    specifier: match[1] as string,
  }));
}

/** The repository path that a relative specifier leads to. */
export function target(path: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(path), specifier));
}

/** What every stage may import of another: its contract files. */
const CONTRACTS: Readonly<Record<string, readonly string[]>> = {
  sources: ['source.ts'],
  formats: ['format.ts'],
  // Deciding is one pure function for every log, not one adapter among others.
  commands: ['command.ts', 'decide.ts', 'decision.ts', 'due.ts'],
  // What happens under a lease is the same loop for every sink and source, over any log.
  log: ['log.ts', 'dead-letter.ts', 'lease.ts', 'lease-loop.ts', 'owner.ts'],
  view: ['view.ts'],
  feed: ['feed.ts'],
  gateways: ['gateway.ts'],
  sinks: ['sink.ts'],
};

function serverImportFault(path: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  if (path === 'server/src/main.ts') return undefined;
  const to = target(path, specifier);
  if (!to.startsWith('server/src/')) return 'leaves server/src; import the package by its name';
  const [folder, ...rest] = to.slice('server/src/'.length).split('/') as [string, ...string[]];
  const own = path.slice('server/src/'.length).split('/')[0];
  if (folder === own || folder === 'shared') return undefined;
  // It knows a deployment by its protocols alone, so that it judges any of them.
  if (own === 'verify') return 'is more than verify/ may know: shared/ and @latchkey/client';
  if (folder === 'config' || (folder === 'verify' && own === 'cli')) return undefined;
  if (to === 'server/src/main.ts' && own === 'cli') return undefined;
  const contracts = CONTRACTS[folder] ?? [];
  if (contracts.includes(rest.join('/'))) return undefined;
  return `is not a contract of ${folder}/; import ${contracts.join(' or ') || 'its contract'}, or have main.ts hand the thing in`;
}

/** Examples show what anybody can do who has the package; their host also bundles. */
function exampleImportFault(path: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) {
    return target(path, specifier).startsWith('examples/')
      ? undefined
      : 'leaves examples/; they start the server by its bin';
  }
  if (/^(?:@latchkey\/client$|react$|react-dom\/|node:)/.test(specifier)) return undefined;
  if (specifier === 'esbuild' && path === 'examples/host/page-server.ts') return undefined;
  return 'is more than an example may import: @latchkey/client, react, and what Node has';
}

/** Which folder may import which: `client` ← `server`, `dashboard`, `examples`; inside the server only contracts of other stages. */
export const importTable: Rule = (files) => {
  const faults: string[] = [];
  for (const { path, text } of files) {
    if (!isScript(path) || isTest(path)) continue;
    for (const { line, specifier } of importsOf(text)) {
      const say = (why: string) => faults.push(`${path}:${line}: '${specifier}' ${why}.`);
      if (path.startsWith('client/src/') && (!specifier.startsWith('./') || target(path, specifier).includes('..'))) {
        say(
          'is imported by the client, which runs everywhere and has no dependencies; write what it needs in client/src',
        );
      }
      if (path.startsWith('server/src/')) {
        const why = serverImportFault(path, specifier);
        if (why !== undefined) say(why);
      }
      if (path.startsWith('examples/')) {
        const why = exampleImportFault(path, specifier);
        if (why !== undefined) say(why);
      }
      const leadsToServer = specifier === 'latchkey' || target(path, specifier).startsWith('server/');
      if (
        leadsToServer &&
        !path.startsWith('examples/') &&
        !path.startsWith('server/') &&
        !path.startsWith('scripts/')
      ) {
        say('is the server; only tests and scripts import it, everything else talks to it by its protocols');
      }
    }
  }
  return faults;
};

/** Source files that nothing imports and no command, page or `bin` names. */
export const unusedFiles: Rule = (files) => {
  const scripts = files.filter(({ path }) => isScript(path));
  const imported = new Set(
    scripts.flatMap(({ path, text }) =>
      importsOf(text).flatMap(({ specifier }) => (specifier.startsWith('.') ? [target(path, specifier)] : [])),
    ),
  );
  const isNamed = (path: string) => {
    const name = posix.basename(path);
    const quoted = new RegExp(`[/'"\` ]${name.replaceAll('.', '\\.').replace(/\\\.tsx?$/, '\\.(?:tsx?|js)')}\\b`);
    return files.some(
      (file) => file.path !== path && /\.(?:tsx?|js|json|html)$/.test(file.path) && quoted.test(file.text),
    );
  };
  return scripts
    .filter(({ path }) => !path.endsWith('.test.ts'))
    .filter(({ path }) => !imported.has(path) && !isNamed(path))
    .map(({ path }) => `${path}:1: nothing imports or names this file; use it or remove it.`);
};

import { readFileSync } from 'node:fs';

/** The version in the package's own package.json, e.g. `0.1.0`; at the same place for `src` and `dist`. */
export function programVersion(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

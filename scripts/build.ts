/**
 * Makes `dist/` of the published packages: JavaScript, declarations and source maps, without tests. Nothing in the repository
 * needs it, neither to run nor to test; `npm pack` does. The dashboard is published as it stands.
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const TSC = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');

// The client first: the server's declarations are checked against the client's published ones.
for (const folder of ['client', 'server']) {
  rmSync(join(ROOT, folder, 'dist'), { recursive: true, force: true });
  const done = spawnSync(process.execPath, [TSC, '-p', join(ROOT, folder, 'tsconfig.build.json')], {
    stdio: 'inherit',
  });
  if (done.status !== 0) {
    process.stderr.write(`build: ${folder} does not compile; the faults are listed above.\n`);
    process.exit(1);
  }
  process.stdout.write(`build: ${folder}/dist\n`);
}

/** Temporary folders of this run. They are gone at its end, however it ends: a store of a million keys is hundreds of megabytes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const kept = new Set<string>();
process.once('exit', () => {
  for (const path of kept) rmSync(path, { recursive: true, force: true });
});

export function makeFolder(name: string): string {
  const path = mkdtempSync(join(tmpdir(), `latchkey-bench-${name}-`));
  kept.add(path);
  return path;
}

export function removeFolder(path: string): void {
  rmSync(path, { recursive: true, force: true });
  kept.delete(path);
}

export async function withFolder<T>(name: string, use: (path: string) => Promise<T>): Promise<T> {
  const path = makeFolder(name);
  try {
    return await use(path);
  } finally {
    removeFolder(path);
  }
}

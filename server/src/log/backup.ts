import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { LatchkeyError, type Position } from '@latchkey/client';
import type { DirectoryCopies } from '../view/view.ts';

/** What was copied, and the last offset in it. */
export interface CopyReport {
  readonly bytes: number;
  readonly position: Position;
}

/**
 * Copies a data directory's store into one file, also while a server has it open.
 *
 * @throws LatchkeyError `usage` when the destination exists or the directory has no store, `data-corrupt`, `data-newer`,
 *   `data-unwritable`
 */
export async function backupDataDirectory(
  directory: string,
  destination: string,
  copies: DirectoryCopies,
): Promise<CopyReport> {
  if (existsSync(destination)) {
    throw new LatchkeyError(
      'usage',
      `${resolve(destination)} exists already; a backup never overwrites. Choose another file.`,
    );
  }
  if (!copies.exists(directory)) {
    throw new LatchkeyError(
      'usage',
      `${resolve(directory)} holds no Latchkey store; give the server's data directory with --data.`,
      {
        field: 'data',
      },
    );
  }
  return copies.copy(directory, destination);
}

/**
 * Makes a data directory of a backup file. The next start begins a new epoch, so that what was written after the backup is never
 * mistaken for what is written now.
 *
 * @throws LatchkeyError `usage` when the directory already holds something, `data-corrupt` or `data-newer` for a file that is no
 *   backup, `data-unwritable`
 */
export async function restoreDataDirectory(
  source: string,
  directory: string,
  copies: DirectoryCopies,
): Promise<CopyReport> {
  if (!existsSync(source) || !statSync(source).isFile()) {
    throw new LatchkeyError('usage', `${resolve(source)} is not a file; give the file that \`latchkey backup\` wrote.`);
  }
  if (!copies.isEmpty(directory)) {
    throw new LatchkeyError(
      'usage',
      `${resolve(directory)} is not empty, and restore never overwrites. Move it away, or choose another --data.`,
      { field: 'data' },
    );
  }
  const existed = existsSync(directory);
  mkdirSync(directory, { recursive: true });
  try {
    // Not in one go: whoever waits is told how far it is.
    await copyFile(source, join(directory, copies.storeFile));
    return { bytes: statSync(source).size, position: copies.inspect(directory) };
  } catch (error) {
    // Nothing half-restored may be started from.
    if (existed) rmSync(join(directory, copies.storeFile), { force: true });
    else rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

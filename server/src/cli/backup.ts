import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { formatPosition } from '@latchkey/client';
import { systemClock } from '../shared/clock.ts';
import { printLine } from './output.ts';
import { progressBar } from './progress-bar.ts';
import { loadServeSettings } from './serve-settings.ts';

export interface BackupOptions {
  readonly data?: string;
  readonly config?: string;
  readonly json?: boolean;
}

const LOOK_MS = 100;

/** `latchkey backup DEST`: a copy of the data directory as of one position, while a server may go on with it. */
export async function runBackup(destination: string, options: BackupOptions): Promise<void> {
  const data = dataOf(options);
  const { backupDirectory } = await import('../main.ts');
  const { bytes, position } = await withBar(data, destination, () => backupDirectory(data, destination));
  const result = { bytes, position: formatPosition(position) };
  await printLine(
    options.json === true
      ? JSON.stringify(result)
      : `${result.bytes} bytes at position ${result.position} in ${destination}`,
  );
}

/** `latchkey restore SOURCE`: makes a data directory of a backup; one that exists is never written over. */
export async function runRestore(source: string, options: BackupOptions): Promise<void> {
  const data = dataOf(options);
  const { restoreDirectory } = await import('../main.ts');
  const { bytes, position } = await withBar(source, data, () => restoreDirectory(source, data));
  const result = { bytes, position: formatPosition(position), data };
  await printLine(
    options.json === true
      ? JSON.stringify(result)
      : `${result.bytes} bytes at position ${result.position} restored to ${data}`,
  );
}

/** How much of `from` is in `to` already shows how far it is; a backup leaves out free space, so it may end early. */
async function withBar<T>(from: string, to: string, work: () => Promise<T>): Promise<T> {
  const bar = progressBar({ unit: 'bytes', clock: systemClock });
  const total = bytesOf(from);
  const timer = setInterval(() => {
    const count = bytesOf(to);
    bar.show({ share: total === 0 ? undefined : count / total, count });
  }, LOOK_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    bar.clear();
  }
}

/** Of a file, or of the files in a directory; 0 for what is not there. */
function bytesOf(path: string): number {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined || !stats.isDirectory()) return stats?.size ?? 0;
  const sizes = readdirSync(path).map((name) => statSync(join(path, name), { throwIfNoEntry: false }));
  return sizes.reduce((sum, file) => sum + (file?.isFile() === true ? file.size : 0), 0);
}

/** The directory that `latchkey serve` would open here. */
function dataOf({ config, data }: BackupOptions): string {
  // Nothing listens here, so settings that only `serve --insecure` takes must not stop a backup.
  const flags = { data, insecure: true };
  return loadServeSettings(config === undefined ? flags : { ...flags, config }).settings.data;
}

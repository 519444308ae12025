import { formatPosition } from '@latchkey/client';
import { processEnvironment, variable } from '../config/environment.ts';
import { loadSettings } from '../config/load-settings.ts';
import { printLine } from './output.ts';

export interface BackupOptions {
  readonly data?: string;
  readonly config?: string;
  readonly json?: boolean;
}

/** `latchkey backup DEST`: a copy of the data directory as of one position, while a server may go on with it. */
export async function runBackup(destination: string, options: BackupOptions): Promise<void> {
  const data = dataOf(options);
  const { backupDirectory } = await import('../main.ts');
  const { bytes, position } = await backupDirectory(data, destination);
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
  const { bytes, position } = await restoreDirectory(source, data);
  const result = { bytes, position: formatPosition(position), data };
  await printLine(
    options.json === true
      ? JSON.stringify(result)
      : `${result.bytes} bytes at position ${result.position} restored to ${data}`,
  );
}

/** The directory that `latchkey serve` would open here. */
function dataOf({ config, data }: BackupOptions): string {
  const file = config ?? variable(processEnvironment, 'LATCHKEY_CONFIG');
  // Nothing listens here, so settings that only `serve --insecure` takes must not stop a backup.
  const flags = { data, insecure: true };
  return loadSettings({ flags, environment: processEnvironment, file, cwd: process.cwd() }).settings.data;
}

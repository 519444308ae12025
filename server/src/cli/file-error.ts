import { LatchkeyError } from '@latchkey/client';

/** What the system said of a file, as a usage error that names it; anything else as it is. */
export function fileError(error: unknown, file: string, deed: 'read' | 'written'): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof LatchkeyError || code === undefined || !/^E[A-Z]+$/.test(code)) return error;
  const message = `${file} cannot be ${deed} (${code}); check its path and permissions, or name another.`;
  return new LatchkeyError('usage', message, { cause: error });
}

import { readFileSync } from 'node:fs';

/** Resident memory that is the process's own: without the pages of files, which the kernel takes back as it likes. */
export function anonymousBytes(pid: number): number {
  const match = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(match?.[1] ?? Number.NaN) * 1024;
}

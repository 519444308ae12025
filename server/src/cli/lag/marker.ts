/** What a measured value carries: which run wrote it, as which one, on which host, and when by that host's clock. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

export interface Marker {
  readonly run: string;
  /** 0 is the write that tries out the paths. */
  readonly sequence: number;
  /** Two programs with the same one share a clock. */
  readonly host: string;
  /** By `hostMicros` of that host. */
  readonly micros: number;
}

const MARKER = /latchkey-lag ([0-9a-z]{1,16}) (\d{1,9}) ([0-9a-f]{8}) (\d{1,16})/;

export function markerText({ host, micros, run, sequence }: Marker): string {
  return `latchkey-lag ${run} ${sequence} ${host} ${micros}`;
}

/** Wherever in the text it stands: a path may wrap what it carries. */
export function markerOf(text: string): Marker | undefined {
  const found = MARKER.exec(text);
  if (found === null) return undefined;
  const [, run, sequence, host, micros] = found as unknown as [string, string, string, string, string];
  return { run, sequence: Number(sequence), host, micros: Number(micros) };
}

/** Microseconds of a clock that never jumps and that all programs of this host share. */
export function hostMicros(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** The same for all programs of one running machine, containers of it included. */
export function hostId(): string {
  let name: string;
  try {
    name = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8');
  } catch {
    name = hostname();
  }
  return createHash('sha256').update(name).digest('hex').slice(0, 8);
}

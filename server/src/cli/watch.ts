import { LatchkeyClient, type WatchChange, type WatchEvent } from '@latchkey/client';
import { processEnvironment } from '../config/environment.ts';
import { countOf } from './count-option.ts';
import { keepExactNumber } from './exact-numbers.ts';
import { valueText } from './list.ts';
import { paint, printLine, remark, visible } from './output.ts';
import { type ServerOptions, serverPlace } from './server-options.ts';

export interface WatchOptions extends ServerOptions {
  readonly key?: string;
  readonly prefix?: readonly string[];
  readonly pattern?: readonly string[];
  readonly from?: string;
  readonly count?: string;
  readonly values?: boolean;
}

/**
 * `latchkey watch [KEY…]`: what is there, then every change, over as many connections as it takes. With --json every event is a
 * line, positions included. Interrupted, it exits with 130 as shells expect.
 */
export async function runWatch(positional: readonly string[], options: WatchOptions): Promise<void> {
  // A stream of its own: whoever reads this output through a pipe sets the server's pace.
  const client = new LatchkeyClient({
    ...serverPlace(options, processEnvironment),
    transport: 'sse',
    reviver: keepExactNumber,
  });
  const ended = new AbortController();
  const filter = {
    keys: options.key === undefined ? positional : [...positional, options.key],
    prefixes: options.prefix ?? [],
    patterns: options.pattern ?? [],
  };
  let left = countOf('--count', options.count);
  let isLost = false;
  const events = client.watch(filter, {
    signal: ended.signal,
    from: options.from ?? 'start',
    values: options.values ?? true,
    onRetry: (error) => {
      if (!isLost) remark(`${visible(error.message)} Trying again until it is back; Ctrl-C ends.`);
      isLost = true;
    },
  });
  for await (const event of events) {
    if (isLost) remark('connected again');
    isLost = false;
    await print(event, options.json === true);
    if (isChange(event)) left -= 1;
    if (left <= 0) return;
  }
}

async function print(event: WatchEvent, asJson: boolean): Promise<void> {
  if (asJson) return await printLine(JSON.stringify(event));
  if (isChange(event)) return await printLine(changeLine(event));
  if (event.op === 'reset')
    remark(`reset (${event.reason}): what was shown before no longer counts; a snapshot follows`);
  if (event.op === 'conflated') remark(`caught up by the last value of each key, from ${event.from} to ${event.to}`);
}

const COLOURS = { put: 'green', remove: 'red', stale: 'yellow' } as const;

/** `2026-11-20T12:00:00Z  put     sensor.1  {"temp":21.5}`. */
function changeLine(change: WatchChange): string {
  const what = change.op === 'remove' ? `(${change.reason})` : valueText(change);
  return `${change.updated}  ${paint(COLOURS[change.op], change.op.padEnd(6))}  ${visible(change.key)}  ${visible(what)}`;
}

function isChange(event: WatchEvent): event is WatchChange {
  return event.op === 'put' || event.op === 'remove' || event.op === 'stale';
}

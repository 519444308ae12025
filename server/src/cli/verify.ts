import { randomInt, randomUUID } from 'node:crypto';
import { LatchkeyError, quote } from '@latchkey/client';
import { processEnvironment } from '../config/environment.ts';
import { systemClock } from '../shared/clock.ts';
import type { Progress, VerifyReport } from '../verify/report.ts';
import { Verification } from '../verify/verify.ts';
import { countOf } from './count-option.ts';
import { paint, printLine, remark, visible } from './output.ts';
import { type ServerOptions, serverPlace } from './server-options.ts';

export interface VerifyOptions extends ServerOptions {
  readonly prefix: string;
  readonly minutes: string;
  readonly writers: string;
  readonly watchers: string;
  readonly seed?: string;
}

const INTERRUPTED = 130;
const ACTORS_MAX = 1000;
const BAR_LENGTH = 24;

/** `latchkey verify [URL]`: exit code 0 where every guarantee held, 1 where one did not, 130 where it was interrupted. */
export async function runVerify(url: string | undefined, options: VerifyOptions): Promise<void> {
  const place = serverPlace(url === undefined ? options : { ...options, server: url }, processEnvironment);
  const durationMs = minutesOf(options.minutes) * 60_000;
  const writers = actorsOf('--writers', options.writers);
  const watchers = actorsOf('--watchers', options.watchers);
  const seed = options.seed === undefined ? randomInt(2 ** 32) : countOf('--seed', options.seed);
  const stop = new AbortController();
  const interrupt = () => {
    remark('interrupted: removing what was written; once more ends at once');
    stop.abort();
  };
  // Once: a second signal ends the process as it always does.
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  const bar = progressBar(durationMs);
  const runId = randomUUID().slice(0, 8);
  try {
    const report = await new Verification({
      ...place,
      prefix: options.prefix,
      runId,
      durationMs,
      writers,
      watchers,
      seed,
      clock: systemClock,
      signal: stop.signal,
      onProgress: bar.show,
    }).run();
    bar.clear();
    await (options.json === true ? printLine(JSON.stringify(report)) : print(report));
    process.exitCode = report.isInterrupted ? INTERRUPTED : report.held ? 0 : 1;
  } finally {
    bar.clear();
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

function minutesOf(text: string): number {
  const minutes = Number(text);
  if (text.trim() !== '' && minutes > 0 && minutes <= 7 * 24 * 60) return minutes;
  throw new LatchkeyError('usage', `--minutes takes a number over 0, such as 0.25, but got ${quote(text)}.`, {
    field: '--minutes',
  });
}

function actorsOf(option: string, text: string): number {
  const count = countOf(option, text);
  if (count <= ACTORS_MAX) return count;
  throw new LatchkeyError('usage', `${option} takes at most ${ACTORS_MAX}, but got ${count}.`, { field: option });
}

/** On a terminal alone, on standard error. */
function progressBar(durationMs: number): { show(progress: Progress): void; clear(): void } {
  const { stderr } = process;
  if (stderr.isTTY !== true) return { show: () => {}, clear: () => {} };
  const clear = () => {
    stderr.write('\r\x1b[K');
  };
  return {
    clear,
    show: (progress) => {
      stderr.write(`\r\x1b[K${progressLine(progress, durationMs).slice(0, stderr.columns - 1)}`);
    },
  };
}

const grouped = (count: number) => count.toLocaleString('en-US');

export function progressLine({ acknowledged, deliveries, leftMs, violations }: Progress, durationMs: number): string {
  const done = Math.round(BAR_LENGTH * (1 - leftMs / durationMs));
  const bar = `[${'#'.repeat(done).padEnd(BAR_LENGTH, '.')}]`;
  const seconds = Math.ceil(leftMs / 1000);
  const left = seconds < 100 ? `${seconds} s left` : `${Math.ceil(seconds / 60)} min left`;
  const elapsedMs = durationMs - leftMs;
  const rate = elapsedMs > 0 ? `  ${grouped(Math.round((acknowledged * 1000) / elapsedMs))} writes/s` : '';
  return `${bar} ${left}  ${grouped(acknowledged)} writes${rate}  ${grouped(deliveries)} deliveries  ${violations} violations`;
}

async function print(report: VerifyReport): Promise<void> {
  for (const { checker, evidence, to, window } of report.violations) {
    await printLine(`${paint('red', checker)}  ${visible(to)}, window ${window}: ${visible(evidence)}`);
  }
  for (const line of summaryLines(report)) await printLine(line);
  if (!report.isCleanedUp) {
    remark(`keys under ${report.prefix} may be left: latchkey delete --pattern '${report.prefix}*' removes them`);
  }
}

function summaryLines(report: VerifyReport): readonly string[] {
  const { checkers, interruptions, lagMs, watches, writes } = report;
  const total = Object.values(checkers).reduce((sum, count) => sum + count, 0);
  const ms = (value: number | undefined) => (value === undefined ? '-' : `${value} ms`);
  const row = (name: string, text: string) => `${name.padEnd(14)}${text}`;
  const verdict =
    total === 0
      ? `${paint('green', 'held')}: ${Object.keys(checkers).join(', ')}`
      : `${paint('red', 'violated')}: ${Object.entries(checkers)
          .filter(([, count]) => count > 0)
          .map(([name, count]) => `${name} ${count}`)
          .join(', ')}${total > report.violations.length ? `; the first ${report.violations.length} are shown` : ''}`;
  return [
    row('server', visible(report.server)),
    row('prefix, seed', `${visible(report.prefix)}  ${report.seed}`),
    row(
      'writes',
      `${grouped(writes.acknowledged)} acknowledged, ${writes.unanswered} unanswered, ${writes.refused} refused`,
    ),
    row('watches', `${grouped(watches.deliveries)} deliveries over ${grouped(watches.connections)} connections`),
    row('interruptions', `${interruptions}, over ${report.epochs} ${report.epochs === 1 ? 'epoch' : 'epochs'}`),
    row('lag', `p50 ${ms(lagMs.p50)}, p99 ${ms(lagMs.p99)}, max ${ms(lagMs.max)} from write to watch`),
    report.windows === 0 ? 'interrupted before anything was judged' : verdict,
  ];
}

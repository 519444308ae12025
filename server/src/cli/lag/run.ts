import { randomBytes } from 'node:crypto';
import { processEnvironment } from '../../config/environment.ts';
import { systemClock } from '../../shared/clock.ts';
import { printLine, remark, visible } from '../output.ts';
import { progressBar } from '../progress-bar.ts';
import { hostId, hostMicros } from './marker.ts';
import { type Measured, measure } from './measure.ts';
import { type LagOptions, planOf, shownPath } from './plan.ts';
import { reportJson, reportLines } from './report.ts';

const INTERRUPTED = 130;

/** `latchkey lag`: exit code 0 where it was measured, 7 where a path showed nothing, 130 where it was interrupted. */
export async function runLag(options: LagOptions): Promise<void> {
  const plan = planOf(options, processEnvironment);
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  const bar = progressBar({ unit: 'values', clock: systemClock });
  // Once: a second signal ends the process as it always does.
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    if (plan.isSeedOutput) {
      const { runAsSeed } = await import('./seed.ts');
      await runAsSeed(plan, systemClock, stop.signal);
    } else {
      const host = { id: hostId(), micros: hostMicros };
      const measured = await measure(plan, host, randomBytes(4).toString('hex'), {
        signal: stop.signal,
        onProgress: (count) => bar.show({ count, share: count / plan.count }),
      });
      bar.clear();
      await (options.json === true
        ? printLine(JSON.stringify(reportJson(plan, measured)))
        : print(reportLines(plan, measured, process.stdout.columns)));
      remarkTroubles(measured);
    }
    if (stop.signal.aborted) process.exitCode = INTERRUPTED;
  } finally {
    bar.clear();
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

async function print(lines: readonly string[]): Promise<void> {
  for (const line of lines) await printLine(line);
}

function remarkTroubles({ observers }: Measured): void {
  for (const { plan, trouble, troubles } of observers) {
    if (trouble !== undefined)
      remark(
        `${shownPath(plan)} had trouble ${troubles === 1 ? 'once' : `${troubles} times, the last time`}: ${visible(trouble)}`,
      );
  }
}

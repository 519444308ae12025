import { beforeEach, describe, test } from 'node:test';
import { besidePromises } from './log-beside.suite.ts';
import { decidingPromises } from './log-deciding.suite.ts';
import { durabilityPromises } from './log-durability.suite.ts';
import type { LogProbe, LogSuite } from './log-tools.ts';

export type { LogProbe } from './log-tools.ts';

/** The promises that every log keeps. `name` is the adapter's; each promise gets a probe of its own. */
export function logSuite(name: string, makeProbe: () => Promise<LogProbe>): void {
  describe(`log ${name}`, () => {
    const suite = {
      each: (promise: string, body: () => Promise<void>) =>
        test(promise, async () => {
          try {
            await body();
          } finally {
            await suite.probe.close();
          }
        }),
    } as unknown as LogSuite;

    beforeEach(async () => {
      suite.probe = await makeProbe();
      suite.log = await suite.probe.open();
    });

    decidingPromises(suite);
    besidePromises(suite);
    durabilityPromises(suite);
  });
}

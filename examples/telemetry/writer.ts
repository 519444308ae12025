/** Writes what this machine tells of itself, once a second. A fact holds for some seconds, and goes with its sender. */
import { LatchkeyClient } from '@latchkey/client';
import { pulse, type WriterContext } from '../host/pulse.ts';
import { PREFIX } from './facts.ts';
import { Machine } from './machine.ts';

export const about = 'Telemetry of this machine as live facts: CPU, memory, disk, network.';

const EVERY_MS = 1000;
/** After this long without news a fact is shown as old. */
const VALID_MS = 4000;
/** After this long there is none. */
const TTL_SECONDS = 30;

export async function write(context: WriterContext): Promise<void> {
  await using client = new LatchkeyClient({ server: context.server });
  const machine = new Machine();
  await pulse(EVERY_MS, context, async () => {
    const readings = await machine.read();
    const valid = new Date(Date.now() + VALID_MS).toISOString();
    const puts = readings.map(
      ({ key, value }) => ({ op: 'put', key: `${PREFIX}${key}`, value, valid, ttl: TTL_SECONDS }) as const,
    );
    await client.commands(puts, { signal: context.signal });
  });
}

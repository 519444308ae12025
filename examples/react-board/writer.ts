/** Plays the sensors: temperatures drift to their targets. One of them falls silent at times, and its value goes stale. */
import { LatchkeyClient } from '@latchkey/client';
import { pulse, type WriterContext } from '../host/pulse.ts';

export const about = 'A React board of rooms: temperatures come live, and targets are set from the page.';

const EVERY_MS = 1000;
const VALID_MS = 5000;
const SILENT_ROOM = 'cellar';
const SILENT_STEPS = 12;
const TARGETS: Readonly<Record<string, number>> = {
  attic: 18,
  bath: 23,
  bedroom: 18.5,
  cellar: 12,
  hall: 19,
  kitchen: 21,
  study: 21.5,
  workshop: 17,
};

export async function write(context: WriterContext): Promise<void> {
  await using client = new LatchkeyClient({ server: context.server });
  const temps = new Map(Object.entries(TARGETS).map(([room, target]) => [room, target - 3 + Math.random() * 4]));
  let step = 0;
  await pulse(EVERY_MS, context, async () => {
    const { signal } = context;
    step += 1;
    if (step === 1) {
      const puts = Object.entries(TARGETS).map(
        ([room, value]) => ({ op: 'put', key: `room.${room}.target`, value, ifAbsent: true }) as const,
      );
      await client.commands(puts, { signal });
    }
    const { entries } = await client.list<number>({ pattern: 'room.*.target', limit: 100, signal });
    const puts = entries.flatMap(({ key, value = 20 }) => {
      const room = key.split('.')[1] ?? key;
      const isSilent = room === SILENT_ROOM && Math.floor(step / SILENT_STEPS) % 2 === 1;
      if (isSilent || Math.random() < 0.4) return [];
      const before = temps.get(room) ?? value;
      const temp = before + (value - before) * 0.08 + (Math.random() - 0.5) * 0.2;
      temps.set(room, temp);
      const valid = new Date(Date.now() + VALID_MS).toISOString();
      return [{ op: 'put', key: `room.${room}.temp`, value: Number(temp.toFixed(1)), valid } as const];
    });
    if (puts.length > 0) await client.commands(puts, { signal });
  });
}

/** The three programs of keyDB-POC in one: their value, their way of observing, and their lines as they print them. */
import type { Clock } from '../../shared/clock.ts';
import { printLine, remark, visible } from '../output.ts';
import { adapterOf, type Open } from './path.ts';
import { announcementsOf, type ObserverPlan, type Plan } from './plan.ts';
import { openStore } from './store.ts';
import { pause } from './wait.ts';

const VALUE = /timestamp (\d{1,12})/;

/** The writer is Python01; the observers follow, in order. */
export async function runAsSeed(plan: Plan, clock: Clock, signal: AbortSignal): Promise<void> {
  const open: Open[] = [];
  const seconds = () => Math.floor(clock.nowMicros() / 1_000_000);
  try {
    for (const [at, observer] of plan.observers.entries()) {
      open.push(...(await observe(plan, observer, `Python${String(at + 2).padStart(2, '0')}`, seconds)));
    }
    if (plan.writer === undefined) {
      await new Promise<void>((done) => signal.addEventListener('abort', () => done(), { once: true }));
      return;
    }
    const writer = await openStore(plan.writer, remarkTrouble);
    open.push(writer);
    await printLine('Starting Python01');
    for (let count = 1; count <= plan.count && !signal.aborted; count += 1) {
      const value = `Python01 timestamp ${seconds()}`;
      await writer.write(plan.key, value, announcementsOf(plan));
      await printLine(`Python01 set ${plan.key}: ${value}`);
      await pause(plan.intervalMs, signal);
    }
  } finally {
    for (const each of open.reverse()) await each.close();
  }
}

async function observe(
  plan: Plan,
  { everyMs, path, place, style }: ObserverPlan,
  name: string,
  seconds: () => number,
): Promise<readonly Open[]> {
  const { channel, handshake, key, setsNotifications, stream } = plan;
  const store = await openStore(place, remarkTrouble);
  const isCallback = style === 'callback';
  const react = async (text: string) => {
    const written = VALUE.exec(text)?.[1];
    if (written === undefined) return;
    const difference = seconds() - Number(written);
    await printLine(`${name} read ${key}: ${visible(text)}, Time difference: ${difference} seconds`);
    if (handshake === undefined) return;
    const answer = isCallback ? 'Handshake triggered by key event' : `Handshake from ${name}`;
    await store.write(handshake, answer);
    await printLine(`${isCallback ? 'Set' : `${name} set`} ${handshake}: ${answer}`);
  };
  const hear = (text: string) => void react(text).catch(remarkTrouble);
  const options = { key, style, everyMs, channel, stream, setsNotifications, hear, onTrouble: remarkTrouble };
  try {
    const observed = await (await adapterOf(path))(place, options);
    if (isCallback) await printLine('Listening for key events...');
    return [store, observed];
  } catch (error) {
    await store.close();
    throw error;
  }
}

function remarkTrouble(error: unknown): void {
  remark(visible(error instanceof Error ? error.message : String(error)));
}

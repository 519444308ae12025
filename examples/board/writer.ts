/** Plays a station: trains that come up, change tracks, are late, and leave. */
import { LatchkeyClient } from '@latchkey/client';
import { pulse, type WriterContext } from '../host/pulse.ts';

export const about = 'A live board of departures: plain HTML, one EventSource, no build.';

const EVERY_MS = 1200;
const TRAINS_MAX = 10;
const MINUTE_MS = 60_000;
const TOWNS = 'Aarhus Basel Dijon Genoa Ghent Graz Lyon Malmö Parma Porto Turin Ulm Utrecht Verona Vienna'.split(' ');
const REMARKS = ['', '', 'about 5 min late', 'about 10 min late', 'changed track', 'boarding'];

const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(Math.random() * items.length)] as Item;

interface Departure {
  readonly time: string;
  readonly to: string;
  readonly train: string;
  readonly track: number;
  readonly remark: string;
}

export async function write(context: WriterContext): Promise<void> {
  await using client = new LatchkeyClient({ server: context.server });
  const { signal } = context;
  let lastMs = Date.now();
  await pulse(EVERY_MS, context, async () => {
    // What is there is asked of the server, so that a restart of either changes nothing.
    const { entries } = await client.list<Departure>({ prefix: 'departure.', limit: TRAINS_MAX + 1, signal });
    const count = entries.length;
    if (count < TRAINS_MAX) {
      const missing = Array.from({ length: TRAINS_MAX - count }, () => {
        lastMs += Math.ceil(Math.random() * 9) * MINUTE_MS;
        const train = `${pick(['IC', 'RE', 'EC'])} ${100 + Math.floor(Math.random() * 900)}`;
        const value: Departure = {
          time: new Date(lastMs).toISOString().slice(11, 16),
          to: pick(TOWNS),
          train,
          track: Math.ceil(Math.random() * 12),
          remark: '',
        };
        return { op: 'put', key: `departure.${train.replace(' ', '')}`, value } as const;
      });
      await client.commands(missing, { signal });
      return;
    }
    const { key, value } = pick(entries);
    if (value !== undefined && Math.random() < 0.85) {
      const remark = pick(REMARKS);
      const track = remark === 'changed track' ? Math.ceil(Math.random() * 12) : value.track;
      await client.merge(key, { remark, track }, {}, { signal });
      return;
    }
    const first = [...entries].sort((a, b) => ((a.value?.time ?? '') < (b.value?.time ?? '') ? -1 : 1))[0];
    await client.remove(first?.key ?? key, {}, { signal });
  });
}

/** A server with what a dashboard has to show: entries of every kind with a history, dead letters of every kind, sources. */
import { dashboardGateway } from '../../server/src/gateways/dashboard.ts';
import { restGateway } from '../../server/src/gateways/rest.ts';
import { makeSseGateway } from '../../server/src/gateways/sse.ts';
import { statusGateway } from '../../server/src/gateways/status.ts';
import { GatewayServer } from './gateway-server.ts';
import { sourceOf } from './memory-core.ts';
import type { Scope } from './server-process.ts';

export const HOSTILE = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>';
/** A name of this machine that no browser takes for it (test/support/chromium.ts). */
export const FOREIGN_HOST = 'latchkey.test';
const DEMO_MINUTE_MS = 60_000;

export type World = GatewayServer;

/** The log's clock is set to this machine's once: pages count ages by the time of the server's answers. */
export async function startWorld(scope: Scope): Promise<World> {
  const sources = [
    sourceOf('ems', { isReady: true }),
    sourceOf('orders', { isReady: false, reason: 'broker kafka-2:9092 refuses connections; tried again in 4 s' }),
  ];
  const world = await GatewayServer.start(
    scope,
    [restGateway, makeSseGateway(() => 0), statusGateway, dashboardGateway],
    { http: { trustedHosts: [FOREIGN_HOST] } },
    { sources },
  );
  world.log.view.now = Date.now() * 1000;
  world.core.sourceFormats.set('ems', world.core.formats.command);
  return world;
}

/** As if a source had sent it, some seconds ago. */
export async function put(
  world: World,
  key: string,
  value: unknown,
  more: Record<string, unknown> = {},
): Promise<void> {
  const { secondsAgo = 0, ...fields } = more as { secondsAgo?: number };
  const updated = new Date(world.log.view.now / 1000 - secondsAgo * 1000).toISOString();
  await send(world, { op: 'put', key, value, updated, ...fields });
}

export async function send(world: World, command: Record<string, unknown>): Promise<void> {
  const decoded = world.core.formats.command.decodeFrame(command);
  const { outcomes } = await world.log.submit({
    commands: [decoded],
    principal: { id: 'test' },
    origin: 'kafka:ems/3@991',
  });
  if (outcomes[0]?.outcome !== 'applied') throw new Error(`${JSON.stringify(command)}: ${JSON.stringify(outcomes)}`);
}

export async function park(world: World, message: string | Buffer, reason: string, source = 'ems'): Promise<void> {
  await world.log.submit({
    commands: [],
    principal: { id: 'test' },
    deadLetters: {
      add: [
        {
          source,
          coordinates: { topic: source, partition: 3, offset: 1000 + world.log.deadLetters.letters.length },
          reason: { code: 'event-invalid', message: reason },
          message: Buffer.from(message),
          headers: { 'trace-id': '5f1c9a' },
        },
      ],
    },
  });
}

/** A deployment as one would meet it. */
export async function fillDemo(world: World): Promise<void> {
  const from = world.log.view.now / 1000;
  const iso = (afterMs: number) => new Date(from + afterMs).toISOString();
  for (let unit = 1; unit <= 24; unit += 1) {
    const name = String(unit).padStart(2, '0');
    for (let step = 3; step >= 0; step -= 1) {
      await put(
        world,
        `battery.${name}.state`,
        {
          soc: 62 + unit - step,
          voltage: (512 + step) / 10,
          cells: [3.31, 3.3, (332 - step) / 100, 3.29],
          mode: step > 1 ? 'charge' : 'idle',
        },
        { secondsAgo: step * 40 + unit, valid: iso(unit % 9 === 0 ? -1000 : 3 * DEMO_MINUTE_MS) },
      );
    }
    await put(world, `meter.${name}.power`, Math.round(Math.sin(unit) * 4200), { secondsAgo: unit * 3 });
  }
  await put(
    world,
    'config.dispatch',
    {
      strategy: 'peak-shaving',
      limits: { import: 48_000, export: 20_000 },
      windows: ['06:00–09:00', '17:00–21:00'],
      dryRun: false,
    },
    { secondsAgo: 86_400 },
  );
  await put(
    world,
    'dispatch.note',
    'Keep unit 09 out of the rotation until the fan is replaced.\nAsk operations first.',
    { contentType: 'text/plain', secondsAgo: 7200 },
  );
  await put(
    world,
    'firmware.image.tail',
    Buffer.from(Array.from({ length: 96 }, (_, at) => (at * 37) % 256)).toString('base64'),
    { encoding: 'base64', contentType: 'application/octet-stream', secondsAgo: 3600 },
  );
  await put(
    world,
    'order.2026-11-25.0042',
    {
      id: 12_345_678,
      customer: 'Ørsted',
      lines: [
        { sku: 'BAT-51', count: 4, price: 1890.5 },
        { sku: 'INV-8K', count: 1, price: 2240 },
      ],
      paid: true,
      note: null,
    },
    { secondsAgo: 15, ttl: 3600 },
  );
  await park(world, '{"battery_id":"07","soc":"sixty"}', 'soc takes a number, but got "sixty".');
  await park(
    world,
    '{"op":"put","key":"battery.30.state","value":{"soc":71}}',
    'key takes 1 to 20 characters at that time.',
  );
  await park(world, Buffer.from([0xff, 0xfe, 0x00, 0x12, 0x9c]), 'The message is not UTF-8 text.');
  await park(world, 'soc=71;unit=08', 'The message is not JSON: unexpected "s" at character 0.', 'orders');
}

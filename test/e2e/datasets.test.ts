// Public data as people have it: the CSV and JSON files of the npm package vega-datasets, fed in and watched live.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import type { Command } from '@latchkey/client';
import { get, sendCommands } from '../support/http-client.ts';
import { ServerProcess } from '../support/server-process.ts';
import { SseClient } from '../support/sse-client.ts';

const DATA = join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '../data');
const BATCH = 200;

/** Plain CSV without quoted fields, which these files are. */
function csvRows(name: string): readonly Readonly<Record<string, string>>[] {
  const [head, ...lines] = readFileSync(join(DATA, name), 'utf8').trim().split(/\r?\n/) as [string, ...string[]];
  const names = head.split(',');
  return lines.map((line) => Object.fromEntries(line.split(',').map((value, index) => [names[index], value])));
}

async function feed(server: ServerProcess, commands: readonly Command[]): Promise<void> {
  for (let start = 0; start < commands.length; start += BATCH) {
    const outcomes = await sendCommands(server.url, commands.slice(start, start + BATCH));
    for (const outcome of outcomes) assert.equal(outcome.outcome, 'applied', JSON.stringify(outcome));
  }
}

describe('public data sets', () => {
  test('stocks.csv: the last price of each symbol is kept, and a watcher saw every price in order', async (t) => {
    const rows = csvRows('stocks.csv');
    const server = await ServerProcess.start({}, t);
    const watch = await SseClient.open(`${server.url}/v1/watch?prefix=stocks.`);
    t.after(() => watch.close());
    await watch.named('synced');
    await feed(
      server,
      rows.map((row) => ({ op: 'put', key: `stocks.${row.symbol}`, value: row })),
    );
    const changes = await watch.changeCount(rows.length);
    assert.deepEqual(
      changes.map(({ value }) => value),
      rows,
    );
    for (const symbol of new Set(rows.map((row) => row.symbol))) {
      const last = rows.findLast((row) => row.symbol === symbol);
      assert.deepEqual((await get(server.url, `stocks.${symbol}`)).json, last);
    }
  });

  test('cars.json and earthquakes.json: nested values, non-ASCII and nulls come out as they went in', async (t) => {
    const server = await ServerProcess.start({}, t);
    const cars = JSON.parse(readFileSync(join(DATA, 'cars.json'), 'utf8')) as Record<string, unknown>[];
    const quakes = JSON.parse(readFileSync(join(DATA, 'earthquakes.json'), 'utf8')) as {
      features: { id: string; properties: { time: number } }[];
    };
    const watch = await SseClient.open(`${server.url}/v1/watch?prefix=quake.`);
    t.after(() => watch.close());
    await watch.named('synced');
    await feed(
      server,
      cars.map((car, index) => ({ op: 'put', key: `car/${index}/${car.Name}`, value: car })),
    );
    await feed(
      server,
      quakes.features.map((quake) => ({
        op: 'put',
        key: `quake.${quake.id}`,
        value: quake,
        updated: new Date(quake.properties.time).toISOString(),
      })),
    );
    const changes = await watch.changeCount(quakes.features.length);
    assert.deepEqual(
      changes.map(({ value }) => value),
      quakes.features,
    );
    for (const [index, car] of cars.entries()) {
      if (index % 40 === 0) assert.deepEqual((await get(server.url, `car/${index}/${car.Name}`)).json, car);
    }
  });
});

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type MemoryCore, memoryCore, sourceOf } from '../../../test/support/memory-core.ts';
import type { LogState } from '../log/log.ts';
import type { SourceState } from '../sources/source.ts';
import { dashboardGateway } from './dashboard.ts';
import { eventsGateway } from './events.ts';
import { type HttpListener, makeHttp } from './http.ts';
import { kvStoreGateway } from './kv-store.ts';
import { openApiDocument } from './openapi.ts';
import { restGateway } from './rest.ts';
import { makeSseGateway } from './sse.ts';
import { statusGateway } from './status.ts';

describe('status, health, metrics and the API document', () => {
  let core: MemoryCore;
  let http: HttpListener;
  let sourceState: LogState & Partial<SourceState> = { isReady: true };

  before(async () => {
    const source = { ...sourceOf('ems', sourceState), state: () => sourceOf('ems', sourceState).state() };
    core = memoryCore({ clusterLabel: 'west' }, { sources: [source] });
    http = await makeHttp(core, [restGateway, kvStoreGateway, eventsGateway, statusGateway]);
    core.log.view.put('a', 1);
  });
  after(() => http.close());

  const ask = (url: string) => http.app.inject({ url, headers: { host: 'localhost' } });

  test('/v1/status has the documented shape', async () => {
    assert.deepEqual((await ask('/v1/status')).json(), {
      version: '0.0.0-test',
      node: 'memory',
      log: { kind: 'local', ready: true, epoch: 'aaaa', head: 1 },
      view: { keys: 1, bytes: 0, historyFloor: 0 },
      sources: [
        { name: 'ems', kind: 'redis-pubsub', ready: true, holder: true, received: 3, applied: 2, deadLettered: 1 },
      ],
      sinks: [],
      feed: { watchers: 0, groups: 0, behind: 0 },
    });
  });

  test('/v1/sources lists the sources as the status does, and /ready tells for a while what was missed', async () => {
    const gap = { from: 1_700_000_000_000_000, to: 1_700_000_060_000_000, reason: 'the subscription was interrupted' };
    const before = sourceState;
    sourceState = { isReady: true, gaps: 1, lastGap: gap, notice: 'may have missed messages' };
    const { sources } = (await ask('/v1/sources')).json();
    assert.deepEqual(sources[0].lastGap, {
      from: '2023-11-14T22:13:20Z',
      to: '2023-11-14T22:14:20Z',
      reason: gap.reason,
    });
    assert.deepEqual((await ask('/v1/status')).json().sources, sources);
    assert.deepEqual((await ask('/ready')).json(), {
      ready: true,
      notices: ['source ems: may have missed messages'],
    });
    const { body } = await ask('/metrics');
    const labels = { cluster: 'west', source: 'ems' };
    assert.equal(sampleOf(body, 'latchkey_source_gaps_total', labels), 1);
    assert.equal(sampleOf(body, 'latchkey_source_last_gap_seconds', labels), 60);
    assert.equal(sampleOf(body, 'latchkey_source_messages_total', labels), 3);
    sourceState = before;
  });

  test('/live answers while the process does, and /ready says why not', async () => {
    assert.deepEqual((await ask('/live')).json(), { live: true });
    assert.deepEqual((await ask('/ready')).json(), { ready: true });
    core.log.ready = { isReady: false, reason: 'the view is being filled' };
    sourceState = { isReady: false, reason: 'broker localhost:9092 refuses connections' };
    const answer = await ask('/ready');
    assert.equal(answer.statusCode, 503);
    assert.equal(answer.json().ready, false);
    assert.equal(answer.json().error.code, 'not-ready');
    assert.match(
      answer.json().error.message,
      /log: the view is being filled; source ems: broker localhost:9092 refuses/,
    );
    assert.ok(answer.headers['retry-after']);
    assert.equal((await ask('/live')).statusCode, 200);
    core.log.ready = { isReady: true };
    sourceState = { isReady: true };
  });

  test('/metrics counts requests by method, route and status, and tells the state of view, feed and log', async () => {
    await ask('/v1/keys/a');
    await ask('/v1/keys/nobody');
    await ask('/no-such-route');
    const { body, headers } = await ask('/metrics');
    assert.match(headers['content-type'] as string, /^text\/plain/);
    const value = (name: string, labels: Record<string, string> = {}) =>
      sampleOf(body, name, { cluster: 'west', ...labels });
    const count = 'latchkey_http_request_duration_seconds_count';
    assert.equal(value(count, { method: 'GET', route: '/v1/keys/*', status: '200' }), 1);
    assert.equal(value(count, { method: 'GET', route: '/v1/keys/*', status: '404' }), 1);
    assert.equal(value(count, { method: 'GET', route: 'none', status: '404' }), 1);
    assert.equal(value('latchkey_view_keys'), 1);
    assert.equal(value('latchkey_log_head', { partition: '0' }), 1);
    assert.equal(value('latchkey_feed_watchers'), 0);
    assert.equal(value('latchkey_source_ready', { source: 'ems' }), 1);
    assert.equal(value('latchkey_dead_letters_dropped_total'), 0);
    assert.ok(body.includes('nodejs_eventloop_lag_p99_seconds'));
  });

  test('/openapi.json holds every route that the gateways register', async () => {
    const document = (await ask('/openapi.json')).json();
    assert.equal(document.openapi, '3.1.0');
    const gateways = [restGateway, makeSseGateway(), kvStoreGateway, eventsGateway, statusGateway, dashboardGateway];
    const all = await makeHttp(memoryCore(), gateways);
    const missing = all.routes.list().filter(({ method, path }) => {
      const operations = document.paths[openApiPath(path)];
      // HEAD comes with every GET, and the kv-store dialect serves every method where it serves POST.
      const isImplied = method === 'HEAD' || ((path === '/set' || path === '/get') && operations?.post !== undefined);
      return !isImplied && operations?.[method.toLowerCase()] === undefined;
    });
    await all.close();
    assert.deepEqual(missing, []);
  });

  test('/openapi.json refers only to schemas it holds, and every operation has an id of its own', () => {
    const document = openApiDocument('1.0.0');
    const text = JSON.stringify(document);
    const { schemas } = document.components as { readonly schemas: Record<string, unknown> };
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/([A-Za-z]+)"/g))
      assert.ok(schemas[name as string], name);
    const ids = [...text.matchAll(/"operationId":"([A-Za-z]+)"/g)].map(([, id]) => id);
    assert.equal(new Set(ids).size, ids.length);
    assert.ok(ids.length > 20);
  });
});

function openApiPath(path: string): string {
  return path
    .replace('/v1/keys/*', '/v1/keys/{key}')
    .replace(/^\/dashboard\/.*/, '/dashboard/{file}')
    .replace(/:([a-z]+)/g, '{$1}');
}

/** The value of the sample with exactly these labels, in whatever order they are written. */
function sampleOf(text: string, name: string, labels: Readonly<Record<string, string>>): number | undefined {
  const wanted = Object.entries(labels)
    .map(([label, value]) => `${label}="${value}"`)
    .sort()
    .join();
  for (const line of text.split('\n')) {
    const match = /^([a-z_]+)\{(.*)\} (\S+)$/.exec(line);
    if (match?.[1] === name && match[2]?.split(',').sort().join() === wanted) return Number(match[3]);
  }
  return undefined;
}

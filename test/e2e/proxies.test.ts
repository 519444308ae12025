// The configurations of docs/proxies.md, in front of a real server.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { haproxy } from '../support/haproxy.ts';
import { ask, put, sendCommands } from '../support/http-client.ts';
import { nginx } from '../support/nginx.ts';
import { ServerProcess } from '../support/server-process.ts';
import { startShownProxy } from '../support/shown-proxy.ts';
import { SseClient } from '../support/sse-client.ts';
import { WebSocketClient } from '../support/websocket-client.ts';

const NAME = 'live.example.org';
// A watch shows by `progress` that nothing holds it back, also without changes.
const env = { LATCHKEY_HTTP_TRUSTED_HOSTS: JSON.stringify([NAME]), LATCHKEY_FEED_PROGRESS_INTERVAL: '100ms' };

for (const [name, program] of Object.entries({ nginx, haproxy })) {
  describe(`behind ${name} as docs/proxies.md configures it`, () => {
    test('a watch over SSE gets every change and progress as they come, under the name of the proxy', async (t) => {
      const server = await ServerProcess.start({ env }, t);
      const url = await startShownProxy(t, server, program);
      const watch = await SseClient.open(`${url}/v1/watch`, { headers: { Host: NAME } });
      t.after(() => watch.close());
      await watch.named('synced');
      await put(url, 'a', 1);
      await watch.named('message');
      await watch.named('progress');
    });

    test('a watch and a command over WebSocket work', async (t) => {
      const server = await ServerProcess.start({ env }, t);
      const socket = await WebSocketClient.open(await startShownProxy(t, server, program));
      t.after(() => socket.close());
      socket.send({ op: 'watch', id: 1, filter: { keys: ['a'] } });
      await socket.until('synced', ({ op }) => op === 'synced');
      assert.equal((await socket.ask({ op: 'put', id: 2, key: 'a', value: 1 })).outcome, 'applied');
      await socket.changeCount(1, 1);
    });

    test('a body of the size that is allowed goes through', async (t) => {
      const server = await ServerProcess.start({ env }, t);
      const url = await startShownProxy(t, server, program);
      const value = 'x'.repeat(1_000_000);
      const commands = Array.from({ length: 8 }, (_, index) => ({ op: 'put' as const, key: `big.${index}`, value }));
      const outcomes = await sendCommands(url, commands);
      assert.deepEqual(new Set(outcomes.map(({ outcome }) => outcome)), new Set(['applied']));
      assert.equal((await ask(`${url}/v1/keys/big.7`)).text.length, value.length + 2);
    });
  });
}

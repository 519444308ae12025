import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RespTalk, startResp } from '../../../../test/support/resp-server.ts';

test('GET tells what there is, however often it told something else before', async (t) => {
  const { port, url } = await startResp(t);
  const talk = await RespTalk.open(port, t);
  const put = (value: string) => fetch(`${url}/v1/keys/k`, { method: 'PUT', body: value });
  const isTold = async (reply: string) => {
    // Replies are kept from the second time on.
    for (let time = 0; time < 4; time += 1) assert.equal(await talk.say('GET', 'k'), reply);
  };
  for (let round = 0; round < 3; round += 1) {
    await isTold('$-1\r\n');
    await put(`${round}`);
    await isTold(`$1\r\n${round}\r\n`);
    await talk.say('SET', 'k', 'other');
    await isTold('$5\r\nother\r\n');
    await fetch(`${url}/v1/keys/k`, { method: 'DELETE' });
    await isTold('$-1\r\n');
    await talk.say('SET', 'k', 'x', 'PX', '20');
    let reply = await talk.say('GET', 'k');
    while (reply !== '$-1\r\n') {
      assert.equal(reply, '$1\r\nx\r\n');
      reply = await talk.say('GET', 'k');
    }
  }
  // More absent keys than are remembered.
  for (let index = 0; index < 2100; index += 1) talk.raw.write(`GET none:${index}\r\n`);
  await talk.say('PING');
  await isTold('$-1\r\n');
  await put('"at last"');
  await isTold('$9\r\n"at last"\r\n');
});

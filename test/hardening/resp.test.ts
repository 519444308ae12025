/** What somebody may do to the Redis port who means no good, or reads nothing, or dies. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { freePort } from '../support/free-port.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { connectRedis, RespTalk, request, startResp } from '../support/resp-server.ts';
import { ServerProcess } from '../support/server-process.ts';

/** The server still serves others. */
async function serves(port: number, t: Parameters<typeof RawSocket.open>[1]): Promise<void> {
  const raw = await RawSocket.open(port, t);
  raw.write('PING\r\n');
  await raw.until('+PONG\r\n');
}

describe('the Redis port', () => {
  it('refuses a header of a gigabyte before it holds any of it, and goes on for others', async (t) => {
    const { port } = await startResp(t);
    for (const bytes of [
      '*2\r\n$3\r\nGET\r\n$1073741824\r\n',
      '*1000000000\r\n',
      '\u0000\u0001\u0002'.repeat(30_000),
    ]) {
      const raw = await RawSocket.open(port, t);
      raw.write(bytes);
      assert.match(await raw.end(), /^-ERR Protocol error: /);
    }
    await serves(port, t);
  });

  it('cuts off a browser that somebody talks into sending HTTP to it, before the body is taken for commands', async (t) => {
    const { port } = await startResp(t);
    const raw = await RawSocket.open(port, t);
    raw.write(
      `POST / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: 20\r\n\r\nSET stolen 1\r\nSET stolen 1\r\n`,
    );
    assert.equal(await raw.end(), '');
    const talk = await RespTalk.open(port, t);
    assert.equal(await talk.say('EXISTS', 'stolen'), ':0\r\n');
    const get = await RawSocket.open(port, t);
    get.write(`GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nSET stolen 1\r\n`);
    await get.end();
    assert.equal(await talk.say('EXISTS', 'stolen'), ':0\r\n');
  });

  it('gives nothing to who has not said the password, and takes little from them', async (t) => {
    const { port } = await startResp(t, { resp: { password: 'secret' } });
    const talk = await RespTalk.open(port, t);
    for (const line of ['GET a', 'SET a 1', 'KEYS *', 'SUBSCRIBE a', 'CONFIG GET *', 'MULTI', 'INFO', 'CLIENT LIST']) {
      talk.raw.write(request(...line.split(' ')));
    }
    talk.raw.write(request('AUTH', 'wrong'));
    talk.raw.write(request('AUTH', 'secretx'));
    talk.raw.write(request('AUTH', 'secret'));
    const heard = await talk.raw.until('+OK\r\n');
    assert.equal(heard.match(/-NOAUTH Authentication required\.\r\n/g)?.length, 8);
    assert.equal(heard.match(/-WRONGPASS /g)?.length, 2);
    const big = await RawSocket.open(port, t);
    big.write('*2\r\n$4\r\nAUTH\r\n$1000000\r\n');
    assert.equal(await big.end(), '-ERR Protocol error: unauthenticated bulk length\r\n');
  });

  it('answers ten thousand pipelined commands in order, with half a command behind them', async (t) => {
    const { port } = await startResp(t);
    const raw = await RawSocket.open(port, t);
    const commands = Array.from({ length: 10_000 }, (_value, index) =>
      index % 3 === 0
        ? request('SET', 'k', String(index))
        : index % 3 === 1
          ? request('GET', 'k')
          : request('ECHO', `${index}`),
    );
    raw.write(Buffer.concat([...commands, Buffer.from('*2\r\n$4\r\nEC')]));
    raw.write('HO\r\n$3\r\nend\r\n');
    const heard = await raw.until('$3\r\nend\r\n');
    const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`;
    const wanted = Array.from({ length: 10_000 }, (_value, index) =>
      index % 3 === 0 ? '+OK\r\n' : bulk(String(index % 3 === 1 ? index - 1 : index)),
    );
    assert.equal(heard, `${wanted.join('')}$3\r\nend\r\n`);
  });

  it('takes no more from who does not read the answers, and answers all once they are read', async (t) => {
    const { port } = await startResp(t);
    const talk = await RespTalk.open(port, t);
    await talk.say('SET', 'big', 'x'.repeat(500_000));
    const raw = await RawSocket.open(port, t);
    raw.socket.pause();
    // 150 MB of answers are asked for by a few kilobytes.
    raw.write(Buffer.concat([...Array.from({ length: 300 }, () => request('GET', 'big')), request('ECHO', 'end')]));
    const before = process.memoryUsage.rss();
    for (let round = 0; round < 50; round += 1) await talk.say('PING');
    assert.ok(process.memoryUsage.rss() - before < 60_000_000, 'the answers are not made before they are read');
    let bytes = 0;
    const ended = new Promise<void>((resolve) => {
      raw.socket.removeAllListeners('data');
      raw.socket.on('data', (chunk) => {
        bytes += chunk.length;
        if (bytes === 300 * (500_000 + '$500000\r\n\r\n'.length) + '$3\r\nend\r\n'.length) resolve();
      });
    });
    raw.socket.resume();
    await ended;
  });

  it('cuts off a subscriber that reads nothing, and counts it; the others hear everything', async (t) => {
    const { port, url } = await startResp(t);
    const slow = await RawSocket.open(port, t);
    slow.write(request('SUBSCRIBE', 'news'));
    await slow.until(':1\r\n');
    slow.socket.pause();
    const client = await connectRedis(port, t);
    const subscriber = client.duplicate();
    await subscriber.connect();
    t.after(() => subscriber.destroy());
    let heard = 0;
    await subscriber.subscribe('news', () => (heard += 1));
    const message = 'x'.repeat(100_000);
    let receivers = 2;
    let published = 0;
    while (receivers === 2 && published < 2000) {
      receivers = await client.publish('news', message);
      published += 1;
    }
    assert.equal(receivers, 1, `it still listens after ${published} messages`);
    await subscriber.ping();
    assert.equal(heard, published);
    assert.match(await (await fetch(`${url}/metrics`)).text(), /latchkey_resp_slow_subscribers_total 1\b/);
  });

  it('keeps no more of MULTI than its bound, and says so', async (t) => {
    const { port } = await startResp(t);
    const talk = await RespTalk.open(port, t);
    const value = 'x'.repeat(1_000_000);
    const bytes = Buffer.concat([
      request('MULTI'),
      ...Array.from({ length: 20 }, (_value, index) => request('SET', `m${index}`, value)),
      request('EXEC'),
    ]);
    const heard = await talk.sayRaw(bytes);
    assert.match(heard, /-ERR MULTI keeps at most 100000 commands and 16777216 bytes/);
    assert.match(heard, /-EXECABORT /);
    assert.equal(await talk.say('DBSIZE'), ':0\r\n');
  });

  it('closes what comes beyond limits.connectionsMax with the error of a Redis', async (t) => {
    const { port } = await startResp(t, { limits: { connectionsMax: 1 } });
    await serves(port, t);
    const second = await RawSocket.open(port, t);
    assert.equal(await second.end(), '-ERR max number of clients reached\r\n');
  });

  it('refuses keys, values and fields that the store does not take, and goes on', async (t) => {
    const { port } = await startResp(t, { limits: { valueBytesMax: 100 } });
    const talk = await RespTalk.open(port, t);
    assert.match(await talk.say('SET', 'a', 'x'.repeat(101)), /^-ERR value has 101 bytes.*\(value-too-big\)\r\n$/);
    assert.match(await talk.say('SET', 'a\nb', '1'), /^-ERR .*\(key-invalid\)\r\n$/);
    assert.match(await talk.say('SET', '', '1'), /^-ERR .*\(key-invalid\)\r\n$/);
    assert.match(await talk.say('SET', Buffer.from([0xff]), '1'), /^-ERR .*\(key-invalid\)\r\n$/);
    assert.match(await talk.say('SET', 'x'.repeat(2000), '1'), /^-ERR .*\(key-too-long\)\r\n$/);
    assert.match(await talk.say('HSET', 'h', 'f', 'x'.repeat(200)), /^-ERR .*\(value-too-big\)\r\n$/);
    assert.match(await talk.say('HSET', 'h', 'f', Buffer.from([0xff])), /^-ERR .*\(invalid-utf8\)\r\n$/);
    assert.equal(await talk.say('GET', 'a\nb'), '$-1\r\n');
    assert.equal(await talk.say('SET', 'a', '1'), '+OK\r\n');
  });

  it('keeps a bounded number of watched keys for a connection, and goes on', async (t) => {
    const { port } = await startResp(t);
    const talk = await RespTalk.open(port, t);
    const keys = Array.from({ length: 10_001 }, (_value, index) => `k${index}`);
    assert.match(await talk.say('WATCH', ...keys), /^-ERR a connection watches at most 10000 keys/);
    assert.match(await talk.say('WATCH', 'other'), /^-ERR a connection watches at most 10000 keys/);
    assert.equal(await talk.say('WATCH', 'k1'), '+OK\r\n');
    assert.equal(await talk.sayRaw(Buffer.from('MULTI\r\nSET k1 1\r\nEXEC\r\n')), '+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n');
    assert.equal(await talk.say('WATCH', 'other'), '+OK\r\n');
  });

  it('has lost nothing of what it answered when it is killed in the middle of a pipeline', async (t) => {
    const port = await freePort();
    const server = await ServerProcess.start({ args: ['--resp', String(port)] }, t);
    const raw = await RawSocket.open(port, t);
    raw.write(
      Buffer.concat(Array.from({ length: 20_000 }, (_value, index) => request('SET', `k${index}`, String(index)))),
    );
    await raw.until('+OK\r\n'.repeat(500));
    await server.kill();
    const answered = Math.floor(raw.heard.length / '+OK\r\n'.length);
    assert.ok(answered >= 500);
    await server.restart();
    const talk = await RespTalk.open(port, t);
    for (const index of [0, 499, Math.floor(answered / 2), answered - 1])
      assert.equal(await talk.say('GET', `k${index}`), `$${String(index).length}\r\n${index}\r\n`);
    const kept = Number(/:(\d+)/.exec(await talk.say('DBSIZE'))?.[1]);
    assert.ok(kept >= answered, `${kept} keys of ${answered} answered`);
  });
});

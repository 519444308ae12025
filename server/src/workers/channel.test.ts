import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { Channel } from './channel.ts';

async function pair(scope: TestContext): Promise<readonly [Socket, Socket]> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const near = connect(port, '127.0.0.1');
  const [far] = (await once(server, 'connection')) as [Socket];
  server.close();
  scope.after(() => {
    near.destroy();
    far.destroy();
  });
  return [near, far];
}

function frames(count: number, size: number): readonly unknown[] {
  return Array.from({ length: count }, (_, index) => ({
    index,
    bytes: Buffer.alloc(size, index),
    text: 'ü'.repeat(index % 7),
    nothing: undefined,
    nested: [{ null: null, big: 2 ** 53 - 1 }],
  }));
}

describe('a channel', () => {
  test('gives frames of every size whole and in order, with buffers and what is undefined', async (t) => {
    const [near, far] = await pair(t);
    const sent = [...frames(50, 3), ...frames(3, 2_000_000), ...frames(50, 70_000)];
    const got: unknown[] = [];
    const all = Promise.withResolvers<void>();
    new Channel<unknown, unknown>(
      far,
      (frame) => {
        got.push(frame);
        if (got.length === sent.length) all.resolve();
      },
      () => undefined,
    );
    const channel = new Channel<unknown, unknown>(
      near,
      () => undefined,
      () => undefined,
    );
    for (const frame of sent) channel.send(frame);
    await all.promise;
    assert.deepEqual(got, sent);
    assert.ok(got.every((frame) => Buffer.isBuffer((frame as { bytes: unknown }).bytes)));
  });

  test('takes frames however their bytes are cut', async (t) => {
    const [near, far] = await pair(t);
    const written: Buffer[] = [];
    const raw = new Channel<unknown, unknown>(
      far,
      () => undefined,
      () => undefined,
    );
    const collected = Promise.withResolvers<void>();
    near.on('data', (bytes: Buffer) => {
      written.push(bytes);
      if (Buffer.concat(written).length >= expected) collected.resolve();
    });
    let expected = Number.POSITIVE_INFINITY;
    const sent = frames(5, 10);
    for (const frame of sent) raw.send(frame);
    // What is sent in one turn is written behind it.
    await new Promise((resolve) => setImmediate(resolve));
    expected = far.bytesWritten;
    await collected.promise;
    const bytes = Buffer.concat(written);
    for (const size of [1, 2, 3, 5, 7, 64]) {
      const [near2, far2] = await pair(t);
      const got: unknown[] = [];
      const all = Promise.withResolvers<void>();
      new Channel<unknown, unknown>(
        near2,
        (frame) => {
          got.push(frame);
          if (got.length === sent.length) all.resolve();
        },
        () => undefined,
      );
      // Straight into the reader, so that each piece arrives as it is.
      for (let at = 0; at < bytes.length; at += size) near2.emit('data', bytes.subarray(at, at + size));
      await all.promise;
      assert.deepEqual(got, sent, `in pieces of ${size}`);
      far2.destroy();
    }
  });

  test('says once that the other end is gone, and drops what is sent then', async (t) => {
    const [near, far] = await pair(t);
    const gone = Promise.withResolvers<void>();
    let times = 0;
    const channel = new Channel<unknown, unknown>(
      near,
      () => undefined,
      () => {
        times += 1;
        gone.resolve();
      },
    );
    far.destroy();
    await gone.promise;
    channel.send({ kind: 'late' });
    await channel.end();
    assert.equal(times, 1);
  });
});

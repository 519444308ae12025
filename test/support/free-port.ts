import { once } from 'node:events';
import { createServer } from 'node:net';

/** A port that was free a moment ago: whoever takes it must be ready to find it taken. */
export async function freePort(): Promise<number> {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as { port: number };
  holder.close();
  await once(holder, 'close');
  return port;
}

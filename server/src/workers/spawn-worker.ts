import { type ChildProcess, type SendHandle, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { PortHandle } from './shared-port.ts';
import type { StartOrder } from './start-order.ts';

const BIN = fileURLToPath(new URL('../../bin/worker.js', import.meta.url));

/** Descriptor 3 carries the order and the socket, and is closed then; 4 is the channel. Lines of the log go where this process's go. */
export function spawnWorker(order: StartOrder, port: PortHandle): ChildProcess {
  const child = spawn(process.execPath, [BIN], { stdio: ['ignore', 'inherit', 'inherit', 'ipc', 'pipe'] });
  // Where it dies before it took the order, its exit says so.
  child.send(order, port as unknown as SendHandle, () => undefined);
  return child;
}

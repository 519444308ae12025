import { Socket } from 'node:net';
import { LatchkeyError } from '@latchkey/client';
import type { BoundSocket, StartOrder } from '../main.ts';
import { createLogger } from '../shared/logger-pino.ts';
import { endWhenReaderLeaves } from './output.ts';
import { endOnBugs } from './serve.ts';

/** The descriptor of the channel to the process that started this one. */
const CHANNEL = 4;

/** A worker of `latchkey serve --workers`: it is started, told what to do and ended by the process that owns the log. */
export async function main(): Promise<void> {
  endWhenReaderLeaves();
  if (process.send === undefined) {
    process.stderr.write('A worker is started by `latchkey serve --workers COUNT`, not by hand.\n');
    process.exit(2);
  }
  // Both reach the whole group of processes; the one that owns the log says when to stop, and its end is this one's.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => undefined);
  const { order, port } = await taken();
  const logger = createLogger(order.settings).child({ worker: order.number });
  endOnBugs(logger);
  const { startWorker } = await import('../main.ts');
  const socket = new Socket({ fd: CHANNEL, readable: true, writable: true });
  try {
    await startWorker({ order, port, socket, logger, onOwnerGone: () => process.exit(0) });
  } catch (error) {
    // The process that started it tells the operator, or starts another.
    logger.error({ err: error }, `worker ${order.number} could not start`);
    process.exit(error instanceof LatchkeyError ? error.row.exit : 1);
  }
  // Whatever a library still holds open is no reason to stay.
  process.exit(0);
}

function taken(): Promise<{ readonly order: StartOrder; readonly port: BoundSocket }> {
  return new Promise((resolve) => {
    process.once('message', (order, port) => {
      process.removeAllListeners('disconnect');
      process.disconnect();
      resolve({ order: order as StartOrder, port: port as BoundSocket });
    });
    // The process that started this one died before it said a word.
    process.once('disconnect', () => process.exit(0));
  });
}

// A worker as the supervisor meets one, which does as its first argument says: `serve`, `die`, or `freeze` (serves, and answers nothing).
import { Socket } from 'node:net';
import { Channel } from './channel.ts';
import type { OwnerFrame, WorkerFrame } from './frames.ts';
import { CHANNEL_DESCRIPTOR } from './worker-process.ts';

const [, , how = 'serve'] = process.argv;
if (how === 'die') process.exit(3);

const socket = new Socket({ fd: CHANNEL_DESCRIPTOR, readable: true, writable: true });
const channel = new Channel<OwnerFrame, WorkerFrame>(
  socket,
  (frame) => {
    if (frame.kind === 'stop' && how !== 'freeze') process.exit(0);
    if (frame.kind === 'ping' && how !== 'freeze') channel.send({ kind: 'pong' });
    if (frame.kind === 'tell' && how !== 'freeze') {
      const report = { connections: 7, feed: { watchers: 0, groups: 0, behind: 0 }, metrics: [] };
      channel.send({ kind: 'report', id: frame.id, report });
    }
  },
  () => process.exit(0),
);
channel.send({ kind: 'ready' });

import { isLive } from '../../shared/change.ts';
import { keysFrom } from './arguments.ts';
import { type Answered, type Call, CommandError, type CommandSpec, NOT_ALLOWED } from './call.ts';

/** Of one connection. */
const WATCHED_MAX = 10_000;

/** EXEC itself is the connection's: it has the queue run as one step. */
function multi(call: Call): Answered {
  const { client } = call;
  if (client.queue !== undefined) throw new CommandError('ERR MULTI calls can not be nested');
  client.queue = { requests: [], bytes: 0, isBroken: false };
  return call.reply((reply) => reply.ok());
}

function exec(call: Call): Answered {
  const { client } = call;
  const { queue } = client;
  if (queue === undefined) throw new CommandError('ERR EXEC without MULTI');
  const watched = [...client.watched.values()];
  client.queue = undefined;
  client.watched.clear();
  if (queue.isBroken) throw new CommandError('EXECABORT Transaction discarded because of previous errors.');
  return call.transact(queue.requests, watched);
}

function discard(call: Call): Answered {
  const { client } = call;
  if (client.queue === undefined) throw new CommandError('ERR DISCARD without MULTI');
  client.queue = undefined;
  client.watched.clear();
  return call.reply((reply) => reply.ok());
}

function watch(call: Call): Answered {
  const { client, core } = call;
  if (client.queue !== undefined) throw new CommandError('ERR WATCH inside MULTI is not allowed');
  const { view } = core.log;
  for (const key of keysFrom(call, 1)) {
    if (!core.access.allowed(client.principal, 'read', key)) throw new CommandError(NOT_ALLOWED);
    if (client.watched.has(key)) continue;
    if (client.watched.size >= WATCHED_MAX)
      throw new CommandError(`ERR a connection watches at most ${WATCHED_MAX} keys; EXEC, DISCARD or UNWATCH first`);
    const last = view.get(key);
    client.watched.set(key, {
      key,
      version: last === undefined ? undefined : view.epochs.version(last),
      isLive: last !== undefined && isLive(last, view.nowMicros()),
    });
  }
  return call.reply((reply) => reply.ok());
}

function unwatch(call: Call): Answered {
  return call.reply((reply) => {
    call.client.watched.clear();
    reply.ok();
  });
}

export const TRANSACTION_COMMANDS: readonly CommandSpec[] = [
  spec('multi', 1, multi, 'MULTI'),
  spec('exec', 1, exec, 'EXEC'),
  spec('discard', 1, discard, 'DISCARD'),
  { ...spec('watch', -2, watch, 'WATCH key [key …]'), keys: [1, -1, 1] },
  { ...spec('unwatch', 1, unwatch, 'UNWATCH'), flags: ['barrier'] },
];

function spec(name: string, arity: number, run: CommandSpec['run'], usage: string): CommandSpec {
  return {
    name,
    arity,
    flags: ['barrier', 'immediate'],
    keys: [0, 0, 0],
    isWrite: false,
    group: 'transactions',
    run,
    usage,
  };
}

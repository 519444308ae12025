import { type Answered, type Call, CommandError, type CommandSpec } from './call.ts';

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
  client.queue = undefined;
  if (queue.isBroken) throw new CommandError('EXECABORT Transaction discarded because of previous errors.');
  return call.transact(queue.requests);
}

function discard(call: Call): Answered {
  const { client } = call;
  if (client.queue === undefined) throw new CommandError('ERR DISCARD without MULTI');
  client.queue = undefined;
  return call.reply((reply) => reply.ok());
}

export const TRANSACTION_COMMANDS: readonly CommandSpec[] = [
  spec('multi', multi, 'MULTI'),
  spec('exec', exec, 'EXEC'),
  spec('discard', discard, 'DISCARD'),
];

function spec(name: string, run: CommandSpec['run'], usage: string): CommandSpec {
  return {
    name,
    arity: 1,
    flags: ['barrier', 'immediate'],
    keys: [0, 0, 0],
    isWrite: false,
    group: 'transactions',
    run,
    usage,
  };
}

import { utf8At, wordAt } from './arguments.ts';
import { type Answered, arityError, type Call, CommandError, type CommandSpec } from './call.ts';
import type { Client } from './client.ts';

const NAME = /^[!-~]*$/;
const NAME_ERROR = 'ERR Client names cannot contain spaces, newlines or special characters.';
const LISTED_MAX = 10_000;

/** `CLIENT …`: how libraries introduce themselves, and what an operator looks at. */
function run(call: Call): Answered {
  const { args, client, core } = call;
  const word = wordAt(call, 1);
  const takes = (count: number) => {
    if (args.count !== count) throw arityError(`client|${word.toLowerCase()}`);
  };
  switch (word) {
    case 'ID':
      takes(2);
      return call.reply((reply) => reply.integer(client.id));
    case 'GETNAME':
      takes(2);
      return call.reply((reply) => (client.name === '' ? reply.null() : reply.text(client.name)));
    case 'SETNAME': {
      takes(3);
      const name = args.latin1(2);
      if (!NAME.test(name)) throw new CommandError(NAME_ERROR);
      client.name = name;
      return call.reply((reply) => reply.ok());
    }
    case 'SETINFO':
      takes(4);
      setInfo(call);
      return call.reply((reply) => reply.ok());
    case 'INFO':
      takes(2);
      return call.reply((reply) => reply.verbatim(`${lineOf(client, call)}\n`));
    case 'LIST': {
      const clients = [...core.clients.values()].slice(0, LISTED_MAX);
      return call.reply((reply) => reply.verbatim(clients.map((one) => `${lineOf(one, call)}\n`).join('')));
    }
    case 'NO-EVICT':
    case 'NO-TOUCH':
      takes(3);
      return call.reply((reply) => reply.ok());
    default:
      throw new CommandError(`ERR unknown subcommand '${printable(args.latin1(1))}'. Try CLIENT HELP.`);
  }
}

function setInfo(call: Call): void {
  const { args, client } = call;
  const value = utf8At(call, 3, 'value');
  const attribute = args.latin1(2).toLowerCase();
  if (!NAME.test(value))
    throw new CommandError(`ERR ${attribute} cannot contain spaces, newlines or special characters.`);
  if (attribute === 'lib-name') client.libraryName = value;
  else if (attribute === 'lib-ver') client.libraryVersion = value;
  else throw new CommandError(`ERR Unrecognized option '${printable(args.latin1(2))}'`);
}

function lineOf(client: Client, { core }: Call): string {
  const nowMs = core.clock.monotonicMs();
  const seconds = (sinceMs: number) => Math.floor((nowMs - sinceMs) / 1000);
  return (
    `id=${client.id} addr=${client.address} laddr=${client.localAddress} fd=0 name=${client.name} age=${seconds(client.connectedAtMs)} ` +
    `idle=${seconds(client.lastAtMs)} flags=${client.subscriptions.count > 0 ? 'P' : 'N'} db=0 ` +
    `sub=${client.subscriptions.names} psub=${client.subscriptions.patterns} multi=${client.queue?.requests.length ?? -1} ` +
    `cmd=${client.lastCommand} user=default resp=${client.protocol} lib-name=${client.libraryName} lib-ver=${client.libraryVersion}`
  );
}

export function printable(text: string): string {
  return text.slice(0, 128).replace(/[^\x20-\x7e]/g, '.');
}

export const CLIENT_COMMAND: CommandSpec = {
  name: 'client',
  arity: -2,
  flags: [],
  keys: [0, 0, 0],
  isWrite: false,
  group: 'connection',
  run,
  usage: 'CLIENT ID|GETNAME|SETNAME|SETINFO|INFO|LIST|NO-EVICT|NO-TOUCH',
};

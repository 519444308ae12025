import { compileGlob } from '../../shared/glob.ts';
import { utf8At, wordAt } from './arguments.ts';
import {
  type Answered,
  arityError,
  type Call,
  CommandError,
  type CommandFlag,
  type CommandSpec,
  keyless,
} from './call.ts';
import { printable } from './commands-client.ts';
import type { ReplyWriter } from './reply-writer.ts';

type Kind = 'names' | 'patterns';

const WORDS = {
  names: { add: 'subscribe', remove: 'unsubscribe' },
  patterns: { add: 'psubscribe', remove: 'punsubscribe' },
} as const;

function publish(call: Call): Answered {
  const channel = utf8At(call, 1, 'channel');
  const message = Buffer.from(call.args.bytes(2));
  // In its turn: what was written before it can be read by whoever it wakes.
  return call.reply((reply) => reply.integer(call.core.channels.publish(channel, message)));
}

function names(call: Call): string[] {
  const found: string[] = [];
  for (let at = 1; at < call.args.count; at += 1) found.push(utf8At(call, at, 'channel'));
  return found;
}

function confirm(reply: ReplyWriter, word: string, name: string | undefined, count: number): void {
  reply.push(3);
  reply.text(word);
  if (name === undefined) reply.null();
  else reply.text(name);
  reply.integer(count);
}

const subscribe =
  (kind: Kind) =>
  (call: Call): Answered => {
    const wanted = names(call);
    const { subscriptions } = call.client;
    return call.reply((reply) => {
      for (const name of wanted) {
        subscriptions.add(kind, name);
        confirm(reply, WORDS[kind].add, name, subscriptions.count);
      }
    });
  };

const unsubscribe =
  (kind: Kind) =>
  (call: Call): Answered => {
    const given = names(call);
    const { subscriptions } = call.client;
    return call.reply((reply) => {
      const wanted = given.length === 0 ? subscriptions.list(kind) : given;
      for (const name of wanted) {
        subscriptions.remove(kind, name);
        confirm(reply, WORDS[kind].remove, name, subscriptions.count);
      }
      if (wanted.length === 0) confirm(reply, WORDS[kind].remove, undefined, subscriptions.count);
    });
  };

function pubsub(call: Call): Answered {
  const { args, core } = call;
  const { channels } = core;
  const word = wordAt(call, 1);
  if (word === 'NUMPAT') return call.reply((reply) => reply.integer(channels.counts.patterns));
  if (word === 'CHANNELS') {
    if (args.count > 3) throw arityError('pubsub|channels');
    const glob = compileGlob(args.count === 3 ? utf8At(call, 2, 'pattern') : '*');
    return call.reply((reply) => {
      const found = [...channels.names()].filter((name) => glob.matches(name));
      reply.array(found.length);
      for (const name of found) reply.text(name);
    });
  }
  if (word !== 'NUMSUB')
    throw new CommandError(`ERR unknown subcommand '${printable(args.latin1(1))}'. Try PUBSUB HELP.`);
  const asked = names(call).slice(1);
  return call.reply((reply) => {
    reply.array(asked.length * 2);
    for (const name of asked) {
      reply.text(name);
      reply.integer(channels.listeners(name));
    }
  });
}

const SUBSCRIBING: readonly CommandFlag[] = ['barrier', 'subscribed'];

export const PUBSUB_COMMANDS: readonly CommandSpec[] = [
  keyless('pubsub', 'publish', 3, [], publish, 'PUBLISH channel message'),
  keyless('pubsub', 'subscribe', -2, SUBSCRIBING, subscribe('names'), 'SUBSCRIBE channel [channel …]'),
  keyless('pubsub', 'unsubscribe', -1, SUBSCRIBING, unsubscribe('names'), 'UNSUBSCRIBE [channel …]'),
  keyless('pubsub', 'psubscribe', -2, SUBSCRIBING, subscribe('patterns'), 'PSUBSCRIBE pattern [pattern …]'),
  keyless('pubsub', 'punsubscribe', -1, SUBSCRIBING, unsubscribe('patterns'), 'PUNSUBSCRIBE [pattern …]'),
  keyless('pubsub', 'pubsub', -2, [], pubsub, 'PUBSUB CHANNELS [pattern] | NUMSUB [channel …] | NUMPAT'),
];

import { keyAt } from './arguments.ts';
import { type Answered, type Call, type CommandSpec, WRONG_TYPE, type WriteReply } from './call.ts';
import type { ReplyWriter } from './reply-writer.ts';
import { liveOf } from './stored-value.ts';

/** Hands over the members of a configured id set once they are gathered, page by page. */
function withMembers(call: Call, write: (reply: ReplyWriter, members: ReadonlySet<string>) => void): Answered {
  const key = keyAt(call, 1);
  const { access, indexSets, log } = call.core;
  const { view } = log;
  if (!access.allowed(call.client.principal, 'read', key)) {
    return call.read([key], () => undefined);
  }
  if (!indexSets.has(key)) {
    const isThere = liveOf(view.get(key), view.nowMicros()) !== undefined;
    return call.reply((reply) => (isThere ? reply.error(WRONG_TYPE) : write(reply, new Set())));
  }
  return call.wait(async (): Promise<WriteReply> => {
    const members = new Set<string>();
    for (const page of indexSets.members(key, view)) {
      for (const member of page) members.add(member);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return (reply) => write(reply, members);
  });
}

function smembers(call: Call): Answered {
  return withMembers(call, (reply, members) => {
    reply.set(members.size);
    for (const member of members) reply.text(member);
  });
}

function scard(call: Call): Answered {
  return withMembers(call, (reply, members) => reply.integer(members.size));
}

/** Each by the entry that makes it one, so these take their turn among reads and writes. */
function withPresence(call: Call, from: number, write: (reply: ReplyWriter, isMember: readonly boolean[]) => void) {
  const key = keyAt(call, 1);
  const { indexSets } = call.core;
  const count = call.args.count - from;
  if (!indexSets.has(key)) {
    return call.read([key], (reply, [entry]) => {
      if (entry === undefined) write(reply, Array<boolean>(count).fill(false));
      else reply.error(WRONG_TYPE);
    });
  }
  const sources = Array.from({ length: count }, (_value, index) =>
    indexSets.sourceOf(key, call.args.text(from + index) ?? ''),
  );
  const sought = sources.filter((source) => source !== undefined);
  return call.read(sought, (reply, entries) => {
    const live = new Set(sought.filter((_source, index) => entries[index] !== undefined));
    write(
      reply,
      sources.map((source) => source !== undefined && live.has(source)),
    );
  });
}

function sismember(call: Call): Answered {
  return withPresence(call, 2, (reply, [isMember]) => reply.integer(isMember === true ? 1 : 0));
}

function smismember(call: Call): Answered {
  return withPresence(call, 2, (reply, isMember) => {
    reply.array(isMember.length);
    for (const each of isMember) reply.integer(each ? 1 : 0);
  });
}

export const SET_COMMANDS: readonly CommandSpec[] = [
  { ...spec('smembers', 2, smembers, 'SMEMBERS key'), flags: ['barrier', 'alone'] },
  { ...spec('scard', 2, scard, 'SCARD key'), flags: ['barrier', 'alone'] },
  spec('sismember', 3, sismember, 'SISMEMBER key member'),
  spec('smismember', -3, smismember, 'SMISMEMBER key member [member …]'),
];

function spec(name: string, arity: number, run: CommandSpec['run'], usage: string): CommandSpec {
  return { name, arity, flags: [], keys: [1, 1, 1], isWrite: false, group: 'set', run, usage };
}

import type { Command, ExpireCommand } from '../../commands/command.ts';
import type { Change } from '../../shared/change.ts';
import { endingAt, integerAt, keyAt, keysFrom, utf8At, wordAt } from './arguments.ts';
import { type Answered, type Call, CommandError, type CommandSpec, SYNTAX_ERROR, type WriteReply } from './call.ts';
import { printable } from './commands-client.ts';
import { typeOf } from './stored-value.ts';

const PAGE_KEYS = 1000;
/** KEYS holds its whole answer; SCAN is for more. */
const KEYS_BYTES_MAX = 16 * 1024 * 1024;
const SCAN_COUNT = 10;
const SCAN_COUNT_MAX = 10_000;

function del(call: Call): Answered {
  const commands: Command[] = keysFrom(call, 1).map((key) => ({ op: 'remove', key }));
  return call.write(commands, (reply, outcomes) =>
    reply.integer(outcomes.filter(({ outcome }) => outcome === 'applied').length),
  );
}

function exists(call: Call): Answered {
  return call.read(keysFrom(call, 1), (reply, entries) =>
    reply.integer(entries.filter((entry) => entry !== undefined).length),
  );
}

function type(call: Call): Answered {
  const key = keyAt(call, 1);
  return call.read([key], (reply, [entry]) => {
    if (entry !== undefined) reply.simple(typeOf(entry));
    else reply.simple(call.core.indexSets.has(key) ? 'set' : 'none');
  });
}

const timeToLive =
  (toReply: (leftMs: number) => number) =>
  (call: Call): Answered => {
    const { view } = call.core.log;
    return call.read([keyAt(call, 1)], (reply, [entry]) => {
      if (entry === undefined) reply.integer(-2);
      else if (entry.expires === undefined) reply.integer(-1);
      else reply.integer(toReply(Math.max(0, Math.ceil((entry.expires - view.nowMicros()) / 1000))));
    });
  };

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

/** What an expiry of before must be like. @throws CommandError, as Redis words it */
function conditionsFrom(call: Call, from: number): Pick<ExpireCommand, 'ifTimed' | 'ifMoves'> {
  const words = Array.from({ length: call.args.count - from }, (_value, index) => wordAt(call, from + index));
  const other = words.findIndex((word) => !['NX', 'XX', 'GT', 'LT'].includes(word));
  if (other >= 0) throw new CommandError(`ERR Unsupported option ${printable(call.args.latin1(from + other))}`);
  const given = new Set(words);
  const moves = given.has('GT') || given.has('LT');
  if (given.has('NX') && (given.has('XX') || moves))
    throw new CommandError('ERR NX and XX, GT or LT options at the same time are not compatible');
  if (given.has('GT') && given.has('LT'))
    throw new CommandError('ERR GT and LT options at the same time are not compatible');
  const conditions: Mutable<Pick<ExpireCommand, 'ifTimed' | 'ifMoves'>> = {};
  if (given.has('NX') || given.has('XX')) conditions.ifTimed = given.has('XX');
  if (moves) conditions.ifMoves = given.has('GT') ? 'later' : 'earlier';
  return conditions;
}

const expire =
  (unit: 'EX' | 'PX' | 'EXAT' | 'PXAT', name: string) =>
  (call: Call): Answered => {
    const conditions = conditionsFrom(call, 3);
    const key = keyAt(call, 1);
    const command: Command = { op: 'expire', key, ttlMicros: null, ...endingAt(call, 2, unit, name), ...conditions };
    return call.write([command], (reply, [outcome]) =>
      reply.integer(outcome?.outcome === 'applied' || outcome?.outcome === 'duplicate' ? 1 : 0),
    );
  };

const expiry =
  (unitMicros: number) =>
  (call: Call): Answered =>
    call.read([keyAt(call, 1)], (reply, [entry]) => {
      if (entry === undefined) reply.integer(-2);
      else if (entry.expires === undefined) reply.integer(-1);
      else reply.integer(Math.floor((entry.expires + unitMicros / 2) / unitMicros));
    });

function persist(call: Call): Answered {
  return call.write([{ op: 'expire', key: keyAt(call, 1), ttlMicros: null }], (reply, [outcome]) =>
    reply.integer(outcome?.outcome === 'applied' ? 1 : 0),
  );
}

const allowed = (call: Call) => {
  const { access } = call.core;
  return ({ key }: Change) => access.allowed(call.client.principal, 'read', key);
};

function keys(call: Call): Answered {
  const pattern = utf8At(call, 1, 'pattern');
  const { view } = call.core.log;
  return call.wait(async (): Promise<WriteReply> => {
    const found: string[] = [];
    let bytes = 0;
    let after: string | undefined;
    do {
      const page = view.list({ pattern, limit: PAGE_KEYS, ...(after === undefined ? {} : { after }) });
      for (const { key } of page.entries.filter(allowed(call))) {
        found.push(key);
        bytes += key.length;
      }
      if (bytes > KEYS_BYTES_MAX) throw new CommandError('ERR more keys match than one reply holds; use SCAN');
      after = page.next;
      await new Promise((resolve) => setImmediate(resolve));
    } while (after !== undefined);
    return (reply) => {
      reply.array(found.length);
      for (const key of found) reply.text(key);
    };
  });
}

interface ScanOptions {
  pattern: string | undefined;
  count: number;
  type: string | undefined;
}

function scan(call: Call): Answered {
  const cursor = call.args.latin1(1);
  if (!/^[0-9]{1,20}$/.test(cursor)) throw new CommandError('ERR invalid cursor');
  const { count, pattern, type: wanted } = scanOptions(call);
  const { core } = call;
  const { cursors, log } = core;
  const after = cursor === '0' ? undefined : cursors.find(cursor);
  if (cursor !== '0' && after === undefined)
    throw new CommandError('ERR invalid cursor: it is too old or of another server; start again with 0');
  const page = log.view.list({
    limit: count,
    ...(pattern === undefined ? {} : { pattern }),
    ...(after === undefined ? {} : { after }),
  });
  const found = page.entries.filter(allowed(call)).filter((entry) => wanted === undefined || typeOf(entry) === wanted);
  return call.reply((reply) => {
    reply.array(2);
    reply.text(page.next === undefined ? '0' : cursors.add(page.next));
    reply.array(found.length);
    for (const { key } of found) reply.text(key);
  });
}

function scanOptions(call: Call): ScanOptions {
  const options: ScanOptions = { pattern: undefined, count: SCAN_COUNT, type: undefined };
  for (let at = 2; at < call.args.count; at += 2) {
    const word = wordAt(call, at);
    if (at + 1 >= call.args.count) throw new CommandError(SYNTAX_ERROR);
    if (word === 'MATCH') options.pattern = utf8At(call, at + 1, 'pattern');
    else if (word === 'COUNT') {
      options.count = Math.min(integerAt(call, at + 1), SCAN_COUNT_MAX);
      if (options.count < 1) throw new CommandError(SYNTAX_ERROR);
    } else if (word === 'TYPE') options.type = call.args.latin1(at + 1).toLowerCase();
    else throw new CommandError(SYNTAX_ERROR);
  }
  return options;
}

function dbsize(call: Call): Answered {
  return call.reply((reply) => reply.integer(call.core.log.view.counts().keys));
}

const ALL: CommandSpec['keys'] = [1, -1, 1];
const ONE: CommandSpec['keys'] = [1, 1, 1];
const NONE: CommandSpec['keys'] = [0, 0, 0];

export const KEY_COMMANDS: readonly CommandSpec[] = [
  spec('del', -2, ALL, true, del, 'DEL key [key …]'),
  spec('unlink', -2, ALL, true, del, 'UNLINK key [key …]'),
  spec('exists', -2, ALL, false, exists, 'EXISTS key [key …]'),
  spec('touch', -2, ALL, false, exists, 'TOUCH key [key …]'),
  spec('type', 2, ONE, false, type, 'TYPE key'),
  spec(
    'ttl',
    2,
    ONE,
    false,
    timeToLive((ms) => Math.floor((ms + 500) / 1000)),
    'TTL key',
  ),
  spec(
    'pttl',
    2,
    ONE,
    false,
    timeToLive((ms) => ms),
    'PTTL key',
  ),
  spec('expire', -3, ONE, true, expire('EX', 'expire'), 'EXPIRE key seconds [NX|XX|GT|LT]'),
  spec('pexpire', -3, ONE, true, expire('PX', 'pexpire'), 'PEXPIRE key milliseconds [NX|XX|GT|LT]'),
  spec('expireat', -3, ONE, true, expire('EXAT', 'expireat'), 'EXPIREAT key seconds-since-1970 [NX|XX|GT|LT]'),
  spec('pexpireat', -3, ONE, true, expire('PXAT', 'pexpireat'), 'PEXPIREAT key milliseconds-since-1970 [NX|XX|GT|LT]'),
  spec('expiretime', 2, ONE, false, expiry(1_000_000), 'EXPIRETIME key'),
  spec('pexpiretime', 2, ONE, false, expiry(1000), 'PEXPIRETIME key'),
  spec('persist', 2, ONE, true, persist, 'PERSIST key'),
  { ...spec('keys', 2, NONE, false, keys, 'KEYS pattern'), flags: ['barrier', 'alone'] },
  { ...spec('scan', -2, NONE, false, scan, 'SCAN cursor [MATCH pattern] [COUNT n] [TYPE type]'), flags: ['barrier'] },
  { ...spec('dbsize', 1, NONE, false, dbsize, 'DBSIZE'), flags: ['barrier'] },
];

function spec(
  name: string,
  arity: number,
  keyPlaces: CommandSpec['keys'],
  isWrite: boolean,
  run: CommandSpec['run'],
  usage: string,
): CommandSpec {
  return { name, arity, flags: [], keys: keyPlaces, isWrite, group: 'generic', run, usage };
}

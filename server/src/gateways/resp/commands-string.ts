import type { Command, Outcome, PutCommand } from '../../commands/command.ts';
import { type Change, payloadBytes } from '../../shared/change.ts';
import { payloadToBytes, refuseValueSize } from '../../shared/payload.ts';
import { payloadOfBytes } from '../../shared/redis/plain-value.ts';
import {
  isTimeUnit,
  keyAt,
  keysFrom,
  orThrow,
  positiveEndingAt,
  soughtKeyAt,
  type TimeUnit,
  wordAt,
} from './arguments.ts';
import {
  type Answered,
  arityError,
  type Call,
  CommandError,
  type CommandSpec,
  SYNTAX_ERROR,
  WRONG_TYPE,
} from './call.ts';
import type { ReplyWriter } from './reply-writer.ts';
import { liveOf } from './stored-value.ts';
import { writeValue } from './value-replies.ts';

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

/** One reply holds at most this much, so that a hundred big values asked for at once don't fill the memory. */
const REPLY_BYTES_MAX = 64 * 1024 * 1024;

function get(call: Call): Answered {
  const key = soughtKeyAt(call, 1);
  if (key === undefined) return call.reply((reply) => reply.null());
  const { access } = call.core;
  if (call.isDirect && access.allowed(call.client.principal, 'read', key)) {
    call.core.values.write(call.writer, key);
    return 'answered';
  }
  return call.read([key], (reply, entries) => writeValue(reply, entries[0]));
}

function mget(call: Call): Answered {
  const keys = keysFrom(call, 1);
  return call.read(keys, (reply, entries) => {
    let bytes = 0;
    for (const entry of entries) bytes += entry?.value === undefined ? 0 : payloadBytes(entry.value);
    if (bytes > REPLY_BYTES_MAX) {
      reply.error(
        `ERR the values have ${bytes} bytes together, ${REPLY_BYTES_MAX} are the most of one reply; ask for fewer`,
      );
      return;
    }
    reply.array(keys.length);
    for (const entry of entries) {
      if (entry?.as === 'hash') reply.null();
      else writeValue(reply, entry);
    }
  });
}

function putOf(call: Call, keyIndex: number, valueIndex: number): Mutable<PutCommand> {
  const key = keyAt(call, keyIndex);
  const value = payloadOfBytes(call.args.bytes(valueIndex));
  const refusal = refuseValueSize(value, call.core.settings.limits.valueBytesMax);
  if (refusal !== undefined) orThrow(refusal);
  return { op: 'put', key, value, as: 'string' };
}

const writeOk = (reply: ReplyWriter): void => reply.ok();

function set(call: Call): Answered {
  const command = putOf(call, 1, 2);
  if (call.args.count === 3) return call.write([command], writeOk);
  let time: [TimeUnit, number] | undefined;
  let returnsPrevious = false;
  for (let at = 3; at < call.args.count; at += 1) {
    const word = wordAt(call, at);
    const isTimed = time !== undefined || command.keepExpiry === true;
    if (word === 'NX' && command.ifPresent !== true) command.ifAbsent = true;
    else if (word === 'XX' && command.ifAbsent !== true) command.ifPresent = true;
    else if (word === 'GET') returnsPrevious = true;
    else if (word === 'KEEPTTL' && !isTimed) command.keepExpiry = true;
    else if (isTimeUnit(word) && !isTimed && at + 1 < call.args.count) {
      time = [word, at + 1];
      at += 1;
    } else throw new CommandError(SYNTAX_ERROR);
  }
  if (time !== undefined) Object.assign(command, positiveEndingAt(call, time[1], time[0], 'set'));
  if (!returnsPrevious) {
    return call.write([command], (reply, [outcome]) => (outcome?.outcome === 'conflict' ? reply.null() : reply.ok()));
  }
  return setAndGet(call, command);
}

/** What stood there is told; a hash is left alone, as Redis does. */
function setAndGet(call: Call, command: Mutable<PutCommand>): Answered {
  refuseHash(call, command.key);
  return call.write([{ op: 'read', key: command.key }, command], (reply, [before]) =>
    writeValue(reply, entryOf(before)),
  );
}

/** @throws CommandError before anything is changed */
function refuseHash({ core: { log } }: Call, key: string): void {
  if (liveOf(log.view.get(key), log.view.nowMicros())?.as === 'hash') throw new CommandError(WRONG_TYPE);
}

export function entryOf(outcome: Outcome | undefined): Change | undefined {
  return outcome?.outcome === 'value' && 'entry' in outcome ? outcome.entry : undefined;
}

function mset(call: Call): Answered {
  if (call.args.count % 2 === 0) throw arityError('mset');
  const commands: Command[] = [];
  for (let at = 1; at < call.args.count; at += 2) commands.push(putOf(call, at, at + 1));
  return call.write(commands, writeOk);
}

const setWithTime =
  (unit: TimeUnit, name: string) =>
  (call: Call): Answered => {
    const ending = positiveEndingAt(call, 2, unit, name);
    return call.write([{ ...putOf(call, 1, 3), ...ending }], writeOk);
  };

function setnx(call: Call): Answered {
  return call.write([{ ...putOf(call, 1, 2), ifAbsent: true }], (reply, [outcome]) =>
    reply.integer(outcome?.outcome === 'conflict' ? 0 : 1),
  );
}

function getset(call: Call): Answered {
  return setAndGet(call, putOf(call, 1, 2));
}

function getdel(call: Call): Answered {
  const key = keyAt(call, 1);
  refuseHash(call, key);
  return call.write(
    [
      { op: 'read', key },
      { op: 'remove', key },
    ],
    (reply, [before]) => writeValue(reply, entryOf(before)),
  );
}

function getex(call: Call): Answered {
  const key = keyAt(call, 1);
  const { count } = call.args;
  if (count === 2) return call.read([key], (reply, [entry]) => writeValue(reply, entry));
  const word = wordAt(call, 2);
  const isPersist = word === 'PERSIST' && count === 3;
  if (!isPersist && (!isTimeUnit(word) || count !== 4)) throw new CommandError(SYNTAX_ERROR);
  refuseHash(call, key);
  const ending = isPersist ? {} : positiveEndingAt(call, 3, word as TimeUnit, 'getex');
  return call.write(
    [
      { op: 'read', key },
      { op: 'expire', key, ttlMicros: null, ...ending },
    ],
    (reply, [before]) => writeValue(reply, entryOf(before)),
  );
}

function strlen(call: Call): Answered {
  const key = keyAt(call, 1);
  return call.read([key], (reply, [entry]) => {
    if (entry?.as === 'hash') reply.error(WRONG_TYPE);
    else reply.integer(entry?.value === undefined ? 0 : payloadBytes(entry.value));
  });
}

function getrange(call: Call): Answered {
  const key = keyAt(call, 1);
  const from = Number(call.args.latin1(2));
  const to = Number(call.args.latin1(3));
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to))
    throw new CommandError('ERR value is not an integer or out of range');
  return call.read([key], (reply, [entry]) => {
    if (entry?.as === 'hash') return reply.error(WRONG_TYPE);
    const bytes = entry?.value === undefined ? Buffer.alloc(0) : payloadToBytes(entry.value);
    const start = Math.max(0, from < 0 ? bytes.length + from : from);
    const end = (to < 0 ? bytes.length + to : to) + 1;
    reply.bulk(bytes.subarray(start, Math.max(start, end)));
  });
}

export const STRING_COMMANDS: readonly CommandSpec[] = [
  spec('get', 2, [1, 1, 1], false, get, 'GET key'),
  spec('mget', -2, [1, -1, 1], false, mget, 'MGET key [key …]'),
  spec('set', -3, [1, 1, 1], true, set, 'SET key value [NX|XX] [GET] [EX s|PX ms|EXAT s|PXAT ms|KEEPTTL]'),
  spec('mset', -3, [1, -1, 2], true, mset, 'MSET key value [key value …]'),
  spec('setex', 4, [1, 1, 1], true, setWithTime('EX', 'setex'), 'SETEX key seconds value'),
  spec('psetex', 4, [1, 1, 1], true, setWithTime('PX', 'psetex'), 'PSETEX key milliseconds value'),
  spec('setnx', 3, [1, 1, 1], true, setnx, 'SETNX key value'),
  spec('getset', 3, [1, 1, 1], true, getset, 'GETSET key value'),
  spec('getdel', 2, [1, 1, 1], true, getdel, 'GETDEL key'),
  spec('getex', -2, [1, 1, 1], true, getex, 'GETEX key [EX s|PX ms|EXAT s|PXAT ms|PERSIST]'),
  spec('strlen', 2, [1, 1, 1], false, strlen, 'STRLEN key'),
  spec('getrange', 4, [1, 1, 1], false, getrange, 'GETRANGE key start end'),
];

function spec(
  name: string,
  arity: number,
  keys: CommandSpec['keys'],
  isWrite: boolean,
  run: CommandSpec['run'],
  usage: string,
): CommandSpec {
  return { name, arity, flags: [], keys, isWrite, group: 'string', run, usage };
}

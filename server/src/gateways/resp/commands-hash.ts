import type { MergeCommand, Outcome } from '../../commands/command.ts';
import type { Change } from '../../shared/change.ts';
import { keyAt, utf8At } from './arguments.ts';
import { type Answered, arityError, type Call, type CommandSpec, WRONG_TYPE } from './call.ts';
import { entryOf } from './commands-string.ts';
import type { ReplyWriter } from './reply-writer.ts';
import { fieldsOf, liveOf } from './stored-value.ts';

const NO_FIELDS: ReadonlyMap<string, string> = new Map();
const JSON_NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

/** Replies with what a flat JSON object holds; an absent key has no fields, and what is no such object is of the wrong type. */
function withFields(call: Call, write: (reply: ReplyWriter, fields: ReadonlyMap<string, string>) => void): Answered {
  return call.read([keyAt(call, 1)], (reply, [entry]) => {
    const fields = entry === undefined ? NO_FIELDS : fieldsOf(entry);
    if (fields === undefined) reply.error(WRONG_TYPE);
    else write(reply, fields);
  });
}

function writeField(reply: ReplyWriter, value: string | undefined): void {
  if (value === undefined) reply.null();
  else reply.text(value);
}

function hget(call: Call): Answered {
  const field = call.args.text(2) ?? '';
  return withFields(call, (reply, fields) => writeField(reply, fields.get(field)));
}

function hmget(call: Call): Answered {
  const names = Array.from({ length: call.args.count - 2 }, (_value, index) => call.args.text(index + 2) ?? '');
  return withFields(call, (reply, fields) => {
    reply.array(names.length);
    for (const name of names) writeField(reply, fields.get(name));
  });
}

function hgetall(call: Call): Answered {
  return withFields(call, (reply, fields) => {
    reply.map(fields.size);
    for (const [name, value] of fields) {
      reply.text(name);
      reply.text(value);
    }
  });
}

const listing =
  (list: (fields: ReadonlyMap<string, string>) => Iterable<string>) =>
  (call: Call): Answered =>
    withFields(call, (reply, fields) => {
      reply.array(fields.size);
      for (const text of list(fields)) reply.text(text);
    });

function hlen(call: Call): Answered {
  return withFields(call, (reply, fields) => reply.integer(fields.size));
}

function hexists(call: Call): Answered {
  const field = call.args.text(2) ?? '';
  return withFields(call, (reply, fields) => reply.integer(fields.has(field) ? 1 : 0));
}

const hset =
  (name: string, write: (reply: ReplyWriter, added: number) => void) =>
  (call: Call): Answered => {
    const { args, core } = call;
    if (args.count % 2 !== 0) throw arityError(name);
    const key = keyAt(call, 1);
    const kinds = kindsOf(core.log.view.get(key), core.log.view.nowMicros());
    const fields = new Map<string, string>();
    for (let at = 2; at < args.count; at += 2) {
      const field = utf8At(call, at, 'field');
      const text = utf8At(call, at + 1, 'value of a hash’s field');
      // A field that is a number for those who watch stays one.
      fields.set(field, kinds?.get(field) === 'number' && JSON_NUMBER.test(text) ? text : JSON.stringify(text));
    }
    const patch = `{${[...fields].map(([field, json]) => `${JSON.stringify(field)}:${json}`).join(',')}}`;
    const merge: MergeCommand = { op: 'merge', key, patch, ifFlat: true, newAs: 'hash' };
    const commands = [{ op: 'read', key } as const, merge];
    return call.write(commands, (reply, outcomes) => {
      const before = fieldsBefore(outcomes);
      if (before === undefined) reply.error(WRONG_TYPE);
      else write(reply, [...fields.keys()].filter((field) => !before.has(field)).length);
    });
  };

function hsetnx(call: Call): Answered {
  const key = keyAt(call, 1);
  const field = utf8At(call, 2, 'field');
  const text = utf8At(call, 3, 'value of a hash’s field');
  const patch = `{${JSON.stringify(field)}:${JSON.stringify(text)}}`;
  const merge: MergeCommand = { op: 'merge', key, patch, ifFlat: true, ifNoMember: field, newAs: 'hash' };
  return call.write([merge], (reply, [outcome]) => {
    const found = outcome?.outcome === 'conflict' ? outcome.entry : undefined;
    if (found !== undefined && fieldsOf(found) === undefined) reply.error(WRONG_TYPE);
    else reply.integer(outcome?.outcome === 'applied' ? 1 : 0);
  });
}

function hstrlen(call: Call): Answered {
  const field = call.args.text(2) ?? '';
  return withFields(call, (reply, fields) => reply.integer(Buffer.byteLength(fields.get(field) ?? '')));
}

function hdel(call: Call): Answered {
  const key = keyAt(call, 1);
  const names = new Set<string>();
  for (let at = 2; at < call.args.count; at += 1) names.add(utf8At(call, at, 'field'));
  const patch = `{${[...names].map((name) => `${JSON.stringify(name)}:null`).join(',')}}`;
  const commands = [
    { op: 'read', key },
    { op: 'merge', key, patch, ifFlat: true, ifPresent: true, removeEmpty: true },
  ] as const;
  return call.write(commands, (reply, outcomes) => {
    const before = fieldsBefore(outcomes);
    if (before === undefined) reply.error(WRONG_TYPE);
    else reply.integer([...names].filter((name) => before.has(name)).length);
  });
}

/** Of a read and the merge behind it; undefined where the merge found what is no flat object. */
function fieldsBefore([read, merge]: readonly Outcome[]): ReadonlyMap<string, string> | undefined {
  if (merge?.outcome === 'conflict' && merge.entry !== undefined) return undefined;
  const entry = entryOf(read);
  return entry === undefined ? NO_FIELDS : fieldsOf(entry);
}

/** Of the fields of a JSON object, so that they are kept; undefined where there is nothing. */
function kindsOf(found: Change | undefined, nowMicros: number): ReadonlyMap<string, 'number' | 'other'> | undefined {
  const entry = liveOf(found, nowMicros);
  if (entry === undefined) return undefined;
  const kinds = new Map<string, 'number' | 'other'>();
  const fields = fieldsOf(entry);
  if (fields === undefined || entry.value?.kind !== 'json') return kinds;
  for (const [name, value] of Object.entries(JSON.parse(entry.value.data) as Record<string, unknown>))
    kinds.set(name, typeof value === 'number' ? 'number' : 'other');
  return kinds;
}

export const HASH_COMMANDS: readonly CommandSpec[] = [
  spec('hget', 3, false, hget, 'HGET key field'),
  spec('hmget', -3, false, hmget, 'HMGET key field [field …]'),
  spec('hgetall', 2, false, hgetall, 'HGETALL key'),
  spec(
    'hkeys',
    2,
    false,
    listing((fields) => fields.keys()),
    'HKEYS key',
  ),
  spec(
    'hvals',
    2,
    false,
    listing((fields) => fields.values()),
    'HVALS key',
  ),
  spec('hlen', 2, false, hlen, 'HLEN key'),
  spec('hstrlen', 3, false, hstrlen, 'HSTRLEN key field'),
  spec('hexists', 3, false, hexists, 'HEXISTS key field'),
  spec(
    'hset',
    -4,
    true,
    hset('hset', (reply, added) => reply.integer(added)),
    'HSET key field value [field value …]',
  ),
  spec(
    'hmset',
    -4,
    true,
    hset('hmset', (reply) => reply.ok()),
    'HMSET key field value [field value …]',
  ),
  spec('hsetnx', 4, true, hsetnx, 'HSETNX key field value'),
  spec('hdel', -3, true, hdel, 'HDEL key field [field …]'),
];

function spec(name: string, arity: number, isWrite: boolean, run: CommandSpec['run'], usage: string): CommandSpec {
  return { name, arity, flags: [], keys: [1, 1, 1], isWrite, group: 'hash', run, usage };
}

import type { Payload } from '../../shared/change.ts';
import type { Argument } from '../../shared/redis/reply.ts';
import type { TableName } from '../../view/view.ts';
import { FIXED_ARGUMENTS, OWN_KEYS, PLAN_BYTES, PLAN_OPS } from './append-plan.ts';
import { type Digest, digestOf, digestOfFields, NO_DIGEST } from './digest.ts';
import { fieldsOfChange } from './hash-fields.ts';
import { writeDigest } from './key-head.ts';
import type { KeyNames } from './key-names.ts';
import { type EncodedRecord, encodeRecord } from './record-codec.ts';
import type { AppendRequest, KeyWrite, TableWrite } from './redis-store.ts';

/** How much of the past the stream keeps. */
export interface StreamBounds {
  readonly changesMax: number;
  readonly bytesMax: number;
}

export interface AppendCall {
  readonly keys: readonly Argument[];
  readonly args: readonly Argument[];
}

const OFFSET_DIGITS = 16;

/** Where an append goes. */
export interface AppendPlace {
  readonly names: KeyNames;
  readonly bounds: StreamBounds;
  /** Of the server that gets it. */
  readonly runId: string;
  /** By how much the log's time is ahead of the server's. */
  readonly shiftMicros: number;
}

/** What an append is for the script: its KEYS and ARGV. */
export function appendCall(request: AppendRequest, { bounds, names, runId, shiftMicros }: AppendPlace): AppendCall {
  const { head, record, writer } = request;
  const encoded = encodeRecord(record);
  const groups = groupsOf(request);
  const writes = [...groups.unseen, ...groups.strings, ...groups.others, ...groups.found];
  const tables = Map.groupBy(record.tables, ({ table }) => table);
  const rest: Argument[] = (request.rebase ?? []).flatMap(({ key, offset }) => [key, String(offset)]);
  for (const { lease, number } of request.fences) rest.push(lease, String(number));
  for (const tableWrites of tables.values()) addTable(rest, tableWrites);
  pushAll(rest, request.collected);
  for (const { first, id } of request.epochs) rest.push(`${first} ${id}`);
  const foundAt = FIXED_ARGUMENTS + rest.length + 1;
  for (const write of groups.found) addFound(rest, write, shiftMicros);
  const plan = Buffer.allocUnsafe(writes.length * PLAN_BYTES);
  for (const [index, write] of writes.entries()) {
    planKey(plan, index * PLAN_BYTES, write, { request, encoded, rest, shiftMicros });
  }
  const args: Argument[] = [
    head.token,
    record.token,
    String(record.first),
    String(record.last),
    String(record.nowMicros),
    record.epoch ?? '',
    record.tombstoneFloor === undefined ? '' : String(record.tombstoneFloor),
    runId,
    writer.incarnation,
    String(writer.sequence),
    request.wantsTurn ? '1' : '',
    encoded.bytes,
    plan,
    String(tables.size),
    String(groups.unseen.length),
    String(groups.strings.length + groups.others.length),
    String(groups.found.length),
    String(head.offset),
    String(request.fences.length),
    String(foundAt),
    String(Math.max(0, record.last - bounds.changesMax)),
    String(bounds.bytesMax),
    String(shiftMicros),
    String(request.collected.length),
    String(request.epochs.length),
    String(groups.strings.length),
    request.rebase === undefined ? '' : '1',
    head.epoch,
    String(head.tombstoneFloor),
    String(request.rebase?.length ?? 0),
  ];
  return {
    keys: [
      ...OWN_KEYS.map((name) => names[name]),
      ...[...tables.keys()].map((table: TableName) => names.tables[table]),
      ...writes.map(({ change }) => change.key),
    ],
    args: [...args, ...rest],
  };
}

/** Keys in the order in which the script has them. */
interface Groups {
  readonly unseen: KeyWrite[];
  /** Known, and not to be a hash: looked at by one command, whatever is done with them. */
  readonly strings: KeyWrite[];
  readonly others: KeyWrite[];
  readonly found: KeyWrite[];
}

function groupsOf({ keys }: AppendRequest): Groups {
  const groups: Groups = { unseen: [], strings: [], others: [], found: [] };
  for (const write of keys) {
    const { change, expects, plain } = write;
    if (expects.kind === 'unseen') groups.unseen.push(write);
    else if (expects.kind === 'as-found') groups.found.push(write);
    else if (change.as === undefined && plain.kind !== 'hash') groups.strings.push(write);
    else groups.others.push(write);
  }
  return groups;
}

/** There may be more than a call takes arguments. */
function pushAll(list: Argument[], more: Iterable<Argument>): void {
  for (const one of more) list.push(one);
}

interface Planning {
  readonly request: AppendRequest;
  readonly encoded: EncodedRecord;
  /** Arguments after the fixed ones; what a plan refers to is added. */
  readonly rest: Argument[];
  readonly shiftMicros: number;
}

/** The number in ARGV of what is added next. */
function nextArgument({ rest }: Planning): number {
  return FIXED_ARGUMENTS + rest.length + 1;
}

/** Writes what the script does with one key. Places within the record count from one, as Lua does. */
function planKey(plan: Buffer, at: number, write: KeyWrite, planning: Planning): void {
  const { change, plain } = write;
  const { encoded, request } = planning;
  const index = (change.offset - request.record.first) * 3;
  const headStart = encoded.places[index] as number;
  const valueStart = encoded.places[index + 1] as number;
  const end = encoded.places[index + 2] as number;
  const digest = digestBeside(write);
  if (digest !== undefined) writeDigest(encoded.bytes, headStart, digest);
  let op: number = PLAN_OPS.none;
  let start = 0;
  let stop = 0;
  let expiry = 0;
  if (plain.kind === 'set') {
    op = PLAN_OPS.set;
    if (isSame(plain.value, change.value)) {
      start = valueStart + 1;
      stop = end;
    } else {
      stop = nextArgument(planning);
      planning.rest.push(plain.value.data);
    }
  } else if (plain.kind === 'hash') {
    op = plain.isWhole ? PLAN_OPS.wholeHash : PLAN_OPS.hash;
    start = nextArgument(planning);
    stop = plain.set.length * 2;
    planning.rest.push(String(plain.removed.length));
    for (const pair of plain.set) planning.rest.push(...pair);
    pushAll(planning.rest, plain.removed);
  } else if (plain.kind === 'expiry') {
    op = PLAN_OPS.expiry;
  } else if (plain.kind === 'remove') {
    op = PLAN_OPS.unlink;
  } else if (write.expects.kind === 'as-found') {
    start = valueStart + 1;
    stop = end;
  }
  if ('expires' in plain && plain.expires !== undefined) {
    expiry = nextArgument(planning);
    // Redis refuses moments before 1970, and must not once the script has written.
    planning.rest.push(String(Math.max(1, Math.ceil((plain.expires - planning.shiftMicros) / 1000))));
  }
  plan[at] = op;
  let place = plan.writeUInt32LE(headStart + 1, at + 1);
  // Fields alone don't tell `5` from `"5"`: the head of a hash goes on to the end of its text.
  place = plan.writeUInt32LE(change.as === 'hash' ? end : valueStart, place);
  place = plan.writeUInt32LE(start, place);
  place = plan.writeUInt32LE(stop, place);
  place = plan.writeUInt32LE(expiry, place);
  place += plan.write(String(change.offset).padStart(OFFSET_DIGITS, '0'), place, 'latin1');
  plan.writeDoubleLE(write.previous, place);
}

/** Where what lies under the key afterwards is not the value's bytes. */
function digestBeside({ change, expects, plain }: KeyWrite): Digest | undefined {
  if (plain.kind === 'set') return isSame(plain.value, change.value) ? undefined : digestOf(asBytes(plain.value.data));
  if (change.value === undefined) return undefined;
  if (plain.kind === 'none' && expects.kind === 'as-found') {
    const { found } = expects;
    if (found.kind === 'string') return isHeldBy(change.value, found.data) ? undefined : digestOf(found.data);
    return found.kind === 'hash' ? digestOfFields(found.fields) : NO_DIGEST;
  }
  return change.as === 'hash' ? digestOfFields(fieldsOfChange(change)) : undefined;
}

function addTable(rest: Argument[], writes: readonly TableWrite[]): void {
  const set: Argument[] = [];
  const removed: Argument[] = [];
  for (const { key, value } of writes) {
    if (value === undefined) removed.push(key);
    else set.push(key, value);
  }
  rest.push(String(set.length), String(removed.length));
  pushAll(rest, set);
  pushAll(rest, removed);
}

/** A string that the record holds as it is does not cross the wire a second time. */
function addFound(rest: Argument[], { change, expects, plain }: KeyWrite, shiftMicros: number): void {
  if (expects.kind !== 'as-found') return;
  const { found } = expects;
  const expires =
    'expires' in found && found.expires !== undefined ? String(Math.round((found.expires - shiftMicros) / 1000)) : '';
  if (found.kind === 'string') {
    const isInRecord = plain.kind === 'none' && change.value !== undefined && isHeldBy(change.value, found.data);
    rest.push('string', expires, ...(isInRecord ? ['0'] : ['1', found.data]));
  } else if (found.kind === 'hash') {
    rest.push('hash', expires, String(found.fields.length * 2));
    for (const pair of found.fields) rest.push(...pair);
  } else {
    rest.push(found.kind === 'absent' ? 'none' : found.type, '', '0');
  }
}

function isSame(one: Payload, other: Payload | undefined): boolean {
  if (other === undefined || one === other) return one === other;
  if (typeof one.data === 'string') return one.data === other.data;
  return typeof other.data !== 'string' && one.data.equals(other.data);
}

function isHeldBy(value: Payload, data: Buffer): boolean {
  return asBytes(value.data).equals(data);
}

function asBytes(data: string | Buffer): Buffer {
  return typeof data === 'string' ? Buffer.from(data) : data;
}

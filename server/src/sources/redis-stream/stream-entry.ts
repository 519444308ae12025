import type { Refusal } from '../../commands/command.ts';
import { ENTRY_ID_HEADER } from '../../formats/format.ts';
import { textOf } from '../../shared/payload.ts';
import { listOfReply, type Reply, textOfReply } from '../../shared/redis/reply.ts';
import { refuse } from '../../shared/refusal.ts';
import type { Arrival } from '../intake.ts';

/** An entry of a stream; `fields` in its order, names may repeat. */
export interface StreamEntry {
  readonly id: string;
  readonly fields: readonly (readonly [name: Buffer, value: Buffer])[];
}

/** As XRANGE, XCLAIM and each stream of XREADGROUP answer. What is no entry any more is left out. */
export function entriesOfReply(reply: Reply | undefined): readonly StreamEntry[] {
  return listOfReply(reply).flatMap((item) => {
    const [id, flat] = listOfReply(item);
    const name = textOfReply(id);
    if (name === undefined || !Array.isArray(flat)) return [];
    const fields: (readonly [Buffer, Buffer])[] = [];
    for (let at = 0; at + 1 < flat.length; at += 2) fields.push([bytesOf(flat[at]), bytesOf(flat[at + 1])]);
    return [{ id: name, fields }];
  });
}

/** Below 0 where the first id is the older one. */
export function compareIds(one: string, other: string): number {
  const [ms = '', sequence = ''] = one.split('-');
  const [otherMs = '', otherSequence = ''] = other.split('-');
  return compareNumbers(ms, otherMs) || compareNumbers(sequence, otherSequence);
}

/** The milliseconds of an id, as Redis makes them: since 1970. */
export function msOfId(id: string): number {
  return Number(id.split('-')[0]);
}

/**
 * The message of an entry: the bytes of `field`, or, where that is empty, its fields as a JSON object of texts, of which the last one of
 * a name counts.
 */
export function arrivalOf({ fields, id }: StreamEntry, stream: string, field: string): Arrival {
  const named = field === '' ? undefined : fields.findLast(([name]) => name.toString() === field)?.[1];
  const body = named ?? Buffer.from(JSON.stringify(Object.fromEntries(fields.map(textsOf))));
  const refusal = named === undefined ? refuseFields(fields, field) : undefined;
  return {
    message: { body, recordKey: stream, headers: { [ENTRY_ID_HEADER]: id } },
    coordinates: { stream, id },
    offset: id,
    ...(refusal === undefined ? {} : { refusal }),
  };
}

/** Roughly what an entry takes. */
export function bytesOfEntry({ fields }: StreamEntry): number {
  return fields.reduce((bytes, [name, value]) => bytes + name.length + value.length, 0);
}

function refuseFields(fields: StreamEntry['fields'], field: string): Refusal | undefined {
  if (field !== '') return refuse('event-invalid', `The entry has no field ${field}, which holds the message.`, field);
  const isText = fields.every(([name, value]) => textOf(name) !== undefined && textOf(value) !== undefined);
  if (isText) return undefined;
  const message =
    'The entry’s fields are no UTF-8, so they are no JSON object; name the one that holds the message (`field`).';
  return refuse('event-invalid', message, 'field');
}

function textsOf([name, value]: readonly [Buffer, Buffer]): [string, string] {
  return [name.toString(), value.toString()];
}

function bytesOf(reply: Reply | undefined): Buffer {
  return Buffer.isBuffer(reply) ? reply : Buffer.from(textOfReply(reply) ?? '');
}

/** Of numbers without leading zeros, of any size. */
function compareNumbers(one: string, other: string): number {
  if (one.length !== other.length) return one.length - other.length;
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

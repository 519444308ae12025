import {
  answer,
  ENTRY_HEADERS,
  header,
  json,
  ndjson,
  operation,
  POSITION_HEADER,
  path,
  query,
} from './openapi-operation.ts';
import { reference } from './openapi-schemas.ts';

const OUTCOME = json(reference('Outcome'));
const KEY = path('key', 'The rest of the path, percent-decoded once; `.` and `..` as `%2E` and `%2E%2E`.');
const FLAG = { type: 'boolean' } as const;

const WRITE_HEADERS = [
  header('If-Match', '`*`: only if there is an entry; ETags: only if no value change came after one of them.'),
  header('If-None-Match', '`*`: only if there is no entry.'),
  header('Idempotency-Key', 'A repeat with the same key and body gets the first outcome.'),
];
const WRITE_QUERY = [
  query(
    'ttl',
    'Seconds until the entry expires; fractions allowed. Without it a PUT clears and a PATCH keeps the expiry.',
  ),
  query('updated', 'When the fact was true, RFC 3339. An older one than the entry has is `late`.', {
    type: 'string',
    format: 'date-time',
  }),
  query('valid', 'Until when the fact holds, RFC 3339.', { type: 'string', format: 'date-time' }),
];
const WRITTEN = {
  '200': answer('The outcome.', OUTCOME, {
    ETag: ENTRY_HEADERS.ETag,
    'Latchkey-Version': ENTRY_HEADERS['Latchkey-Version'],
    ...POSITION_HEADER,
  }),
  '412': answer(
    'A condition does not hold; the answer carries the entry.',
    json({ allOf: [reference('Error'), reference('Outcome')] }),
  ),
};

export const KEY_PATHS = {
  '/v1/keys/{key}': {
    parameters: [KEY],
    get: operation('getKey', 'The value of a key, in its content type', {
      parameters: [
        query('meta', '`true`: the entry as JSON.', FLAG),
        query('history', '`true`: its changes that are still in the window, oldest first.', FLAG),
        query('limit', 'With `history`: the newest this many.', {
          type: 'integer',
          minimum: 1,
          maximum: 1000,
          default: 100,
        }),
        query('after', 'A version: answer once the key changed after it.'),
        query('wait', 'Seconds to wait for `after` or `minPosition`, at most 300.', {
          type: 'number',
          minimum: 0,
          maximum: 300,
        }),
        query('minPosition', 'A position or version that this node must have reached.'),
        header('If-None-Match', 'ETags that need no new answer.'),
      ],
      responses: {
        '200': answer(
          'The value, the entry, or the changes.',
          { '*/*': {}, ...json({ oneOf: [reference('Entry'), { type: 'object' }] }) },
          ENTRY_HEADERS,
        ),
        '204': answer('Nothing changed after `after` while it waited.'),
        '304': answer('Not modified.', undefined, ENTRY_HEADERS),
        '404': answer('There is no entry.', json(reference('Error')), POSITION_HEADER),
      },
    }),
    put: operation('putKey', 'Put a value as it is', {
      parameters: [...WRITE_QUERY, ...WRITE_HEADERS],
      body: { required: true, content: { '*/*': {} } },
      responses: WRITTEN,
    }),
    patch: operation('mergeKey', 'Merge a JSON patch (RFC 7386) into the value', {
      parameters: [...WRITE_QUERY, ...WRITE_HEADERS],
      body: { required: true, content: { 'application/merge-patch+json': { schema: { type: 'object' } } } },
      responses: WRITTEN,
    }),
    delete: operation('removeKey', 'Remove the entry', {
      parameters: [WRITE_QUERY[1] as object, ...WRITE_HEADERS],
      responses: WRITTEN,
    }),
  },
  '/v1/keys': {
    get: operation('listKeys', 'Entries in the byte order of their keys', {
      description: 'With `Accept: application/x-ndjson` all of them are streamed, one a line.',
      parameters: [
        query('prefix', 'Only keys that begin so.'),
        query('pattern', 'Only keys that match this glob.'),
        query('limit', 'Entries of a page.', { type: 'integer', minimum: 1, maximum: 1000, default: 100 }),
        query('cursor', 'The `cursor` of the page before.'),
        query('values', '`false` leaves the values out.', { type: 'boolean', default: true }),
      ],
      responses: {
        '200': answer(
          'A page. `position` is that of the first page: a watch from there misses nothing that any page showed.',
          {
            ...json({
              type: 'object',
              properties: {
                entries: { type: 'array', items: reference('Entry') },
                cursor: { type: 'string' },
                position: { type: 'string' },
              },
              required: ['entries', 'position'],
            }),
            ...ndjson(reference('Entry')),
          },
          POSITION_HEADER,
        ),
      },
    }),
    delete: operation('removeKeys', 'Remove every key that matches a pattern', {
      parameters: [
        { ...query('pattern', 'A glob; `*` means all.'), required: true },
        query('dryRun', '`true` only lists the keys that would go.', FLAG),
      ],
      responses: { '200': answer('What went, or would.', OUTCOME, POSITION_HEADER) },
    }),
  },
  '/v1/commands': {
    post: operation('sendCommands', 'Commands as a JSON array, one object, or NDJSON; outcomes in the same form', {
      parameters: [
        query('atomic', '`true`: all or nothing.', FLAG),
        header('Idempotency-Key', 'Stands for `KEY#0`, `KEY#1`, … of the commands that have none of their own.'),
        header('Latchkey-Source', '`name/partition`: the batch carries progress of a source.'),
        header(
          'Latchkey-Expected-Offset',
          'Where the source is believed to be; left out where it has never been here.',
        ),
        header('Latchkey-Next-Offset', 'Where it is after this batch.'),
      ],
      body: {
        required: true,
        content: {
          ...json({ oneOf: [{ type: 'array', items: reference('Command') }, reference('Command')] }),
          ...ndjson(reference('Command')),
        },
      },
      responses: {
        '200': answer(
          'One outcome for each command, in order.',
          {
            ...json({ oneOf: [{ type: 'array', items: reference('Outcome') }, reference('Outcome')] }),
            ...ndjson(reference('Outcome')),
          },
          POSITION_HEADER,
        ),
        '409': answer('The source is elsewhere; `progress` says where.', json(reference('Error'))),
      },
    }),
  },
} as const;

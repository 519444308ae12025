import { answer, header, json, operation, query } from './openapi-operation.ts';
import { reference } from './openapi-schemas.ts';

const TEXTS = { type: 'array', items: { type: 'string' } } as const;
const STREAM = { 'text/event-stream': { schema: { type: 'string' } } } as const;
const PAIR = json({
  type: 'object',
  properties: { Key: { type: 'string' }, Value: { type: 'string' } },
  required: ['Key'],
});
const TEXT = { 'text/plain': { schema: { type: 'string' } } } as const;

const kvStore = (operationId: string, summary: string, answered: string, required = true) =>
  operation(operationId, summary, {
    description: 'The kv-store dialect. Every method is served; the body is JSON whatever its Content-Type says.',
    ...(required ? { body: { required, content: PAIR } } : {}),
    responses: {
      '200': answer(answered, json({})),
      '400': answer('The body is not what it should be; the reason as text.', TEXT),
      '500': answer('The given key is not present in the data store.', TEXT),
    },
  });

export const WATCH_PATHS = {
  '/v1/watch': {
    get: operation('watch', 'Every change that matches, as server-sent events; or, with an upgrade, over WebSocket', {
      parameters: [
        query('key', 'An exact key; may be repeated.', TEXTS),
        query('prefix', 'Keys that begin so; may be repeated.', TEXTS),
        query('pattern', 'Keys that match this glob; may be repeated.', TEXTS),
        query('from', '`start`, `now`, or a position seen before.', { type: 'string', default: 'start' }),
        query('values', '`false` leaves the values out.', { type: 'boolean', default: true }),
        header('Last-Event-ID', 'The last `id` seen; wins over `from`.'),
      ],
      responses: {
        '101': answer('WebSocket.'),
        '200': answer(
          '`opened`, then changes (unnamed events) and `synced`, `progress`, `conflated`, `reset`, `bye`.',
          STREAM,
        ),
        '503': answer(
          'Another node gave the position, and this one did not reach it in 5 s.',
          json(reference('Error')),
        ),
      },
    }),
    post: operation('watchFilter', 'As GET, for filters too long for a URL', {
      body: { required: true, content: json(reference('Filter')) },
      responses: { '200': answer('As GET.', STREAM) },
    }),
  },
  '/set': { post: kvStore('kvStoreSet', 'Set a key', '`"SUCCESS"`') },
  '/get': { post: kvStore('kvStoreGet', 'Get a key', '`{"Key":…,"Value":…}`') },
  '/getall': {
    get: kvStore('kvStoreGetAll', 'Every key', 'One object, its keys sorted.', false),
    post: kvStore('kvStoreGetAllPost', 'Every key', 'One object, its keys sorted.', false),
  },
  '/subscribe': {
    get: operation('kvStoreSubscribe', 'WebSocket: one text frame for every put, live only', {
      responses: { '101': answer('WebSocket.') },
    }),
  },
} as const;

import { answer, json, operation, path, query } from './openapi-operation.ts';
import { reference } from './openapi-schemas.ts';

const FLAG = { type: 'boolean' } as const;
const TEXT = { type: 'string' } as const;
const OBJECT = json({ type: 'object' });
const LETTER = path('id', 'Of the dead letter.');
const PAGE = [
  query('after', 'The `next` of the page before.'),
  query('limit', 'Dead letters of a page.', { type: 'integer', minimum: 1, maximum: 1000 }),
  query('source', 'Only those of this source.'),
];
const DRY_RUN = query('dryRun', '`true` only tells what could be read.', FLAG);

export const OPERATION_PATHS = {
  '/v1/events': {
    post: operation('sendEvents', 'Cache events, one or an array, each answered by itself', {
      body: {
        required: true,
        content: json({ oneOf: [reference('CacheEvent'), { type: 'array', items: reference('CacheEvent') }] }),
      },
      responses: {
        '200': answer('All went well.', OBJECT),
        '207': answer('Some events were refused.', OBJECT),
        '400': answer('Nothing could be read.', OBJECT),
      },
    }),
  },
  '/v1/sources': {
    get: operation('listSources', 'The sources that are configured, and how each of them does', {
      responses: {
        '200': answer(
          'Each as `/v1/status` shows it.',
          json({
            type: 'object',
            properties: { sources: { type: 'array', items: reference('Source') } },
            required: ['sources'],
          }),
        ),
      },
    }),
  },
  '/v1/sources/{name}': {
    get: operation('getSource', 'How far a source is, per partition of its own', {
      parameters: [path('name', 'Of the source.')],
      responses: {
        '200': answer(
          'Offsets by partition; none where the source has never been here.',
          json({
            type: 'object',
            properties: { name: TEXT, progress: { type: 'object', additionalProperties: TEXT } },
            required: ['name', 'progress'],
          }),
        ),
      },
    }),
  },
  '/v1/dead-letters': {
    get: operation('listDeadLetters', 'Messages that could not be decoded or decided, oldest first', {
      parameters: PAGE,
      responses: {
        '200': answer(
          'A page, and how many are held and were dropped.',
          json({
            type: 'object',
            properties: {
              deadLetters: { type: 'array', items: reference('DeadLetter') },
              counts: { type: 'object' },
              next: TEXT,
            },
            required: ['deadLetters', 'counts'],
          }),
        ),
      },
    }),
  },
  '/v1/dead-letters/{id}': {
    parameters: [LETTER],
    get: operation('getDeadLetter', 'One dead letter', {
      responses: { '200': answer('The letter.', json(reference('DeadLetter'))) },
    }),
    delete: operation('dropDeadLetter', 'Drop a dead letter', { responses: { '200': answer('Dropped.', OBJECT) } }),
  },
  '/v1/dead-letters/{id}/replay': {
    post: operation('replayDeadLetter', 'Decode and submit a dead letter again', {
      description: 'A body takes the place of the message.',
      parameters: [LETTER, DRY_RUN],
      body: { required: false, content: { '*/*': {} } },
      responses: {
        '200': answer('The outcomes; the letter is gone. With `dryRun`: how many commands it makes.', OBJECT),
      },
    }),
  },
  '/v1/dead-letters/replay': {
    post: operation('replayDeadLetters', 'Replay the dead letters of a page, oldest first', {
      parameters: [...PAGE, DRY_RUN],
      responses: { '200': answer('How many went and how many stayed, and why; `next` where there are more.', OBJECT) },
    }),
  },
  '/v1/status': {
    get: operation('getStatus', 'What this node is and holds', {
      responses: { '200': answer('The status.', json(reference('Status'))) },
    }),
  },
  '/live': {
    get: operation('getLive', 'Whether the process answers', { responses: { '200': answer('It does.', OBJECT) } }),
  },
  '/ready': {
    get: operation('getReady', 'Whether this node takes reads and writes', {
      responses: {
        '200': answer(
          'It does. `notices` says what an operator should know all the same; `durability`, with the log `redis`, what becomes of an answered write.',
          OBJECT,
        ),
        '503': answer('Not yet, and why.', json(reference('Error'))),
      },
    }),
  },
  '/metrics': {
    get: operation('getMetrics', 'Prometheus metrics', {
      responses: { '200': answer('Text exposition format.', { 'text/plain': { schema: TEXT } }) },
    }),
  },
  '/openapi.json': {
    get: operation('getOpenApi', 'This document', { responses: { '200': answer('OpenAPI 3.1.', OBJECT) } }),
  },
  '/': {
    get: operation('getDashboard', 'A page that shows keys live', {
      responses: { '200': answer('HTML.', { 'text/html': { schema: TEXT } }) },
    }),
  },
  '/dashboard/{file}': {
    get: operation('getDashboardFile', 'What the page is made of', {
      parameters: [path('file', 'A script, a style or an image.')],
      responses: { '200': answer('The file.', { '*/*': {} }) },
    }),
  },
} as const;

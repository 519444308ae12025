import { reference } from './openapi-schemas.ts';

/** One operation of an OpenAPI document. */
export type Operation = Readonly<Record<string, unknown>>;

interface Details {
  readonly parameters?: readonly object[];
  readonly body?: object;
  readonly responses: Readonly<Record<string, object>>;
  readonly description?: string;
}

export function operation(operationId: string, summary: string, details: Details): Operation {
  const { body, description, parameters, responses } = details;
  return {
    operationId,
    summary,
    ...(description === undefined ? {} : { description }),
    ...(parameters === undefined ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: body }),
    responses: { ...responses, default: { description: 'A refusal or a fault.', content: json(reference('Error')) } },
  };
}

export const json = (schema: object) => ({ 'application/json': { schema } });
export const ndjson = (schema: object) => ({ 'application/x-ndjson': { schema } });
export const answer = (description: string, content?: object, headers?: object) => ({
  description,
  ...(content === undefined ? {} : { content }),
  ...(headers === undefined ? {} : { headers }),
});

const TEXT = { type: 'string' } as const;

export const query = (name: string, description: string, schema: object = TEXT) => ({
  name,
  in: 'query',
  description,
  schema,
});
export const header = (name: string, description: string) => ({ name, in: 'header', description, schema: TEXT });
export const path = (name: string, description: string) => ({
  name,
  in: 'path',
  required: true,
  description,
  schema: TEXT,
});

const shown = (description: string) => ({ description, schema: TEXT });

export const ENTRY_HEADERS = {
  ETag: shown('The version in quotes, with a suffix for other representations than the value.'),
  'Latchkey-Version': shown('Of the last change of the entry.'),
  'Latchkey-Position': shown('A position at which this answer holds.'),
  'Latchkey-Updated': shown('When the fact was true, as its sender wrote it.'),
  'Latchkey-Valid-Until': shown('Past it the entry is stale.'),
  'Latchkey-Expires': shown('Past it the entry is gone.'),
  'Latchkey-Stale': shown('`true` where the entry is past its `valid`; else absent.'),
} as const;

export const POSITION_HEADER = { 'Latchkey-Position': ENTRY_HEADERS['Latchkey-Position'] } as const;

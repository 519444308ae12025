/** The shapes of bodies, as `/openapi.json` describes them. */
const text = { type: 'string' } as const;
const count = { type: 'integer', minimum: 0 } as const;
const flag = { type: 'boolean' } as const;
const time = { type: 'string', format: 'date-time' } as const;
const anything = {
  description: 'Any JSON value; a string where it is text; base64 text where `encoding` says so.',
} as const;
const seconds = {
  type: ['number', 'string'],
  description: 'Seconds, a number or numeric text; fractions allowed.',
} as const;

export const reference = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const list = (items: object) => ({ type: 'array', items });
const shape = (properties: Record<string, object>, required: readonly string[] = []) => ({
  type: 'object',
  properties,
  required,
});

const writeFields = {
  updated: time,
  valid: time,
  ttl: seconds,
  ifVersion: text,
  ifAbsent: flag,
  ifPresent: flag,
  keepExpiry: flag,
  returnPrevious: flag,
  idempotencyKey: text,
};

const command = (op: string, properties: Record<string, object>, required: readonly string[]) =>
  shape({ op: { const: op }, ...properties }, ['op', ...required]);

const perPartition = { oneOf: [count, list(count)], description: 'A list where the log has several partitions.' };

export const SCHEMAS = {
  Error: shape(
    {
      error: shape(
        {
          code: text,
          message: text,
          field: text,
          limit: { type: 'number' },
          requestId: text,
          progress: { type: 'object' },
        },
        ['code', 'message'],
      ),
    },
    ['error'],
  ),
  Entry: shape(
    {
      key: text,
      value: anything,
      version: text,
      updated: time,
      valid: time,
      expires: time,
      stale: flag,
      origin: text,
      contentType: text,
      encoding: { const: 'base64' },
    },
    ['key', 'version', 'updated'],
  ),
  Change: shape(
    {
      op: { enum: ['put', 'remove', 'stale'] },
      key: text,
      value: anything,
      version: text,
      reason: { enum: ['deleted', 'expired', 'evicted'] },
      updated: time,
      valid: time,
      expires: time,
      contentType: text,
      encoding: { const: 'base64' },
    },
    ['op', 'key', 'version', 'updated'],
  ),
  Command: {
    oneOf: [
      command('put', { key: text, value: anything, contentType: text, encoding: { const: 'base64' }, ...writeFields }, [
        'key',
        'value',
      ]),
      command('merge', { key: text, value: { type: 'object' }, ...writeFields }, ['key', 'value']),
      command('remove', { key: text, updated: time, ifVersion: text, returnPrevious: flag, idempotencyKey: text }, [
        'key',
      ]),
      command('expire', { key: text, ttl: { type: ['number', 'string', 'null'] }, idempotencyKey: text }, [
        'key',
        'ttl',
      ]),
      command('removeMatching', { pattern: text, dryRun: flag, idempotencyKey: text }, ['pattern']),
      command('read', { key: text }, ['key']),
    ],
  },
  Outcome: shape(
    {
      outcome: { enum: ['applied', 'duplicate', 'late', 'conflict', 'refused', 'value'] },
      version: text,
      previous: { oneOf: [reference('Entry'), { type: 'null' }] },
      entry: { oneOf: [reference('Entry'), { type: 'null' }] },
      removed: count,
      keys: list(text),
      truncated: flag,
      code: text,
      message: text,
      field: text,
      limit: { type: 'number' },
    },
    ['outcome'],
  ),
  Filter: shape({ keys: list(text), prefixes: list(text), patterns: list(text), from: text, values: flag }),
  CacheEvent: shape(
    {
      key: { enum: ['SET', 'GET', 'DELETE', 'DELETE_PATTERN'] },
      value: shape({ data: anything, ttl: seconds }, ['data']),
    },
    ['key', 'value'],
  ),
  DeadLetter: shape(
    {
      id: text,
      source: text,
      coordinates: { type: 'object' },
      receivedAt: time,
      reason: shape({ code: text, message: text }, ['code', 'message']),
      message: text,
      encoding: { const: 'base64' },
      headers: { type: 'object', additionalProperties: text },
      replays: count,
    },
    ['id', 'source', 'coordinates', 'receivedAt', 'reason', 'message', 'headers', 'replays'],
  ),
  Source: shape(
    {
      name: text,
      kind: text,
      ready: flag,
      reason: text,
      holder: flag,
      received: count,
      applied: count,
      deadLettered: count,
      lagMs: count,
      behind: count,
      gaps: count,
      lastGap: shape({ from: text, to: text, reason: text }, ['from', 'to', 'reason']),
      notice: text,
    },
    ['name', 'kind', 'ready', 'holder', 'received', 'applied', 'deadLettered'],
  ),
  Status: shape(
    {
      version: text,
      node: text,
      log: shape(
        {
          kind: { enum: ['local', 'redis', 'kafka'] },
          ready: flag,
          reason: text,
          epoch: text,
          head: perPartition,
          durability: shape({ persistence: text, means: text }, ['persistence', 'means']),
        },
        ['kind', 'ready', 'epoch', 'head'],
      ),
      view: shape({ keys: count, bytes: count, historyFloor: perPartition }, ['keys', 'bytes', 'historyFloor']),
      sources: list({ $ref: '#/components/schemas/Source' }),
      sinks: list({ type: 'object' }),
      feed: shape({ watchers: count, groups: count, behind: count }, ['watchers', 'groups', 'behind']),
    },
    ['version', 'node', 'log', 'view', 'sources', 'sinks', 'feed'],
  ),
} as const;

/**
 * One class and one table for everything that can go wrong. HTTP status, WebSocket close code (4000–4499: come back,
 * 4500–4999: don't), command-line exit code and `retryable` all derive from the row of a code.
 */

/** What each protocol says for one code. `exit`: 1 error, 2 usage, 3 not found, 4 conflict, 5 unauthorised, 6 unavailable, 7 timeout. */
export interface ErrorRow {
  readonly status: number;
  readonly close: number;
  readonly exit: number;
  readonly retryable: boolean;
  /** One sentence for the reference page: what it means and what to do next. */
  readonly about: string;
}

const refusal = (status: number, about: string, exit = 1): ErrorRow => ({
  status,
  close: 4500,
  exit,
  retryable: false,
  about,
});
const fault = (status: number, close: number, about: string, exit = 6): ErrorRow => ({
  status,
  close,
  exit,
  retryable: true,
  about,
});

export const ERRORS = {
  'invalid-json': refusal(400, 'The body or frame is not valid JSON; the message names where parsing stopped.'),
  'invalid-request': refusal(
    400,
    'A field, header or query parameter is missing or of the wrong type; `field` names it.',
  ),
  'invalid-utf8': refusal(
    400,
    'Text was expected in UTF-8; send the bytes as they should be read, or use a binary content type.',
  ),
  'unknown-op': refusal(400, 'The command names an `op` that does not exist; the message lists the ones that do.'),
  'unknown-field': refusal(
    400,
    'The query has a parameter that this route does not take; the message lists the ones it does.',
  ),
  'key-invalid': refusal(400, 'A key is empty, or has a control character, a NUL or a lone surrogate.'),
  'key-too-long': refusal(400, 'A key is longer than `limits.keyBytesMax` bytes of UTF-8.'),
  'pattern-invalid': refusal(400, 'A pattern is empty or longer than a key may be.'),
  'pattern-required': refusal(400, 'A delete of many keys needs a `pattern`; `*` means all.'),
  'position-invalid': refusal(400, 'A version or position is not of the documented form.'),
  'updated-invalid': refusal(400, 'A time is not RFC 3339.'),
  'updated-in-future': refusal(400, '`updated` is further ahead of this server than `deciding.maxFutureSkew`.'),
  'ttl-invalid': refusal(400, '`ttl` is not a positive number of seconds.'),
  'not-atomic': refusal(400, '`removeMatching` cannot be part of an atomic batch.'),
  'atomic-aborted': refusal(409, 'Another command of this atomic batch was refused, so nothing of it was applied.', 4),
  'observe-refused': refusal(400, '`observe` is made by sources only.'),
  'not-an-object': refusal(400, 'A merge patch must be a JSON object.'),
  'idempotency-mismatch': refusal(422, 'The idempotency key was used before with another body.', 4),
  'event-invalid': refusal(400, 'The event is not of the documented shape; `field` names what is wrong.'),
  'content-type-unsupported': refusal(
    415,
    'The route does not take this content type; the message lists the ones it does.',
  ),
  'host-refused': refusal(421, 'The Host header names neither loopback nor a host of `http.trustedHosts`.', 5),
  'origin-refused': refusal(403, 'A cross-origin request from an origin that `http.corsOrigins` does not list.', 5),
  forbidden: refusal(403, 'This principal may not do that with that key.', 5),
  unauthorised: refusal(401, 'A token is needed, or the one given is not accepted.', 5),
  'not-found': refusal(404, 'There is no entry under that key, or no such route.', 3),
  'method-not-allowed': refusal(405, 'The route exists, but not with this method.'),
  conflict: refusal(
    412,
    'A condition (`ifVersion`, `ifAbsent`, `If-Match`) does not hold; the answer carries the entry.',
    4,
  ),
  'progress-mismatch': refusal(
    409,
    'The source is not where the sender believes; go on from the `progress` in the answer.',
    4,
  ),
  'value-too-big': refusal(413, 'A value is bigger than `limits.valueBytesMax`.'),
  'body-too-big': refusal(413, 'The request body is bigger than `limits.bodyBytesMax`.'),
  'batch-too-big': refusal(413, 'An atomic batch, or one with source progress, must fit 1,000 changes and 1 MiB.'),
  'filter-too-big': refusal(413, 'A filter has more terms than `limits.filterTermsMax`.'),
  'too-many-watches': refusal(429, 'The connection already has `limits.watchesPerConnectionMax` watches.'),
  'uri-too-long': refusal(414, 'The request line is too long; POST the filter as JSON instead.'),
  'headers-too-big': refusal(431, 'The request headers are bigger than this server takes.'),
  'request-timeout': fault(408, 4408, 'The request did not arrive in time.', 7),
  'frame-invalid': refusal(400, 'A WebSocket frame is not a JSON object with an `op`.'),
  overloaded: fault(429, 4429, 'Too much is waiting already; come back after `Retry-After`.'),
  'too-many-connections': fault(503, 4429, 'The server holds `limits.connectionsMax` connections.'),
  'store-full': fault(
    503,
    4503,
    'The store holds `limits.storeBytesMax` bytes; new keys are refused until something is removed.',
  ),
  'storage-full': fault(
    503,
    4503,
    'The disk is full or failing; nothing of this write was kept. Free space, then repeat it.',
  ),
  'not-ready': fault(503, 4503, 'The server is starting or waiting for its log; `/ready` says why.'),
  'position-ahead': fault(503, 4503, 'This node has not reached that position yet, and did not within the wait.'),
  closing: fault(503, 4001, 'The server is stopping; come back, to this or another node.'),
  stalled: fault(503, 4002, 'The watcher read nothing for `feed.stalledTimeout`; come back and resume.'),
  timeout: fault(504, 4408, 'No answer in time.', 7),
  unavailable: fault(503, 4503, 'The server cannot be reached.'),
  'data-in-use': refusal(500, 'Another process has this data directory open; stop it, or choose another `--data`.'),
  'data-newer': refusal(500, 'The data directory was written by a newer Latchkey; start that version.'),
  'data-corrupt': refusal(500, 'The data directory cannot be read as a Latchkey store; restore a backup.'),
  'data-unwritable': refusal(500, 'The data directory cannot be created or written; check its path and permissions.'),
  'address-in-use': refusal(500, 'Another process listens on that address; stop it, or choose another `--port`.'),
  'address-refused': refusal(500, 'The address cannot be listened on; the message says why.'),
  'config-invalid': refusal(
    500,
    'A setting is wrong; each fault is listed with its path, what it got and what it takes.',
    2,
  ),
  'insecure-listen': refusal(500, 'Listening beyond loopback without authentication needs `--insecure`.', 2),
  usage: refusal(400, 'The command line is wrong; `--help` shows the usage.', 2),
  internal: {
    status: 500,
    close: 4500,
    exit: 1,
    retryable: false,
    about: 'A bug in Latchkey; the log has the details under the request id.',
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

export interface ErrorDetails {
  /** The field, header or setting at fault, as its sender wrote it. */
  readonly field?: string;
  /** The limit that was passed, in the unit its setting has. */
  readonly limit?: number;
  /** Seconds after which a retry makes sense. */
  readonly retryAfter?: number;
  /** Anything else the answer should carry beside the message, e.g. `progress`. */
  readonly extra?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/**
 * The one error of Latchkey. The message is for the sender: it says what happened, where, with what value and what to do
 * next, and never holds a secret or a foreign error's text.
 */
export class LatchkeyError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'LatchkeyError';
    this.code = code;
    this.details = details;
  }

  get row(): ErrorRow {
    return ERRORS[this.code];
  }

  get retryable(): boolean {
    return this.row.retryable;
  }

  /** `{"error":{"code","message","field"?,"limit"?,"requestId"?}}`, the body of every refusal. */
  toJSON(): { error: Record<string, unknown> } {
    const { field, limit, extra } = this.details;
    return {
      error: {
        code: this.code,
        message: this.message,
        ...(field === undefined ? {} : { field }),
        ...(limit === undefined ? {} : { limit }),
        ...extra,
      },
    };
  }
}

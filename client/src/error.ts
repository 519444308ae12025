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
}

const refusal = (status: number, exit = 1): ErrorRow => ({ status, close: 4500, exit, retryable: false });
const fault = (status: number, close: number, exit = 6): ErrorRow => ({ status, close, exit, retryable: true });

export const ERRORS = {
  'invalid-json': refusal(400),
  'invalid-request': refusal(400),
  'invalid-utf8': refusal(400),
  'unknown-op': refusal(400),
  'unknown-field': refusal(400),
  'key-invalid': refusal(400),
  'key-too-long': refusal(400),
  'pattern-invalid': refusal(400),
  'pattern-required': refusal(400),
  'position-invalid': refusal(400),
  'updated-invalid': refusal(400),
  'updated-in-future': refusal(400),
  'ttl-invalid': refusal(400),
  'not-atomic': refusal(400),
  'atomic-aborted': refusal(409, 4),
  'observe-refused': refusal(400),
  'not-an-object': refusal(400),
  'not-flat': refusal(400),
  'wrong-type': refusal(409, 4),
  'idempotency-mismatch': refusal(422, 4),
  'event-invalid': refusal(400),
  'content-type-unsupported': refusal(415),
  'host-refused': refusal(421, 5),
  'origin-refused': refusal(403, 5),
  forbidden: refusal(403, 5),
  unauthorised: refusal(401, 5),
  'not-found': refusal(404, 3),
  'method-not-allowed': refusal(405),
  conflict: refusal(412, 4),
  'progress-mismatch': refusal(409, 4),
  'value-too-big': refusal(413),
  'body-too-big': refusal(413),
  'batch-too-big': refusal(413),
  'filter-too-big': refusal(413),
  'too-many-watches': refusal(429),
  'uri-too-long': refusal(414),
  'headers-too-big': refusal(431),
  'request-timeout': fault(408, 4408, 7),
  'frame-invalid': refusal(400),
  overloaded: fault(429, 4429),
  'too-many-connections': fault(503, 4429),
  'store-full': fault(503, 4503),
  'storage-full': fault(503, 4503),
  'not-ready': fault(503, 4503),
  'position-ahead': fault(503, 4503),
  closing: fault(503, 4001),
  stalled: fault(503, 4002),
  timeout: fault(504, 4408, 7),
  unavailable: fault(503, 4503),
  'mirror-full': refusal(500),
  'history-replaced': refusal(409, 4),
  'data-in-use': refusal(500),
  'data-newer': refusal(500),
  'data-corrupt': refusal(500),
  'data-unwritable': refusal(500),
  'address-in-use': refusal(500),
  'address-refused': refusal(500),
  'config-invalid': refusal(500, 2),
  'insecure-listen': refusal(500, 2),
  usage: refusal(400, 2),
  internal: refusal(500),
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
  /** The server itself said so. Absent where the client found out: no answer, or one that is not Latchkey's. */
  readonly isAnswer?: true;
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

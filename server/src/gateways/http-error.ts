import { type ErrorCode, LatchkeyError, quote } from '@latchkey/client';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../shared/logger.ts';
import { STATUS_CODES } from '../shared/node-http.ts';

export const JSON_TYPE = 'application/json; charset=utf-8';

/** Seconds after which a retry is asked for where the error itself does not say. */
const RETRY_AFTER = 1;

/** The body of every refusal over HTTP. `extra` stands beside `error`, e.g. the entry of a conflict. */
export function errorBody(error: LatchkeyError, requestId: string | undefined, extra = ''): string {
  const body = error.toJSON();
  if (requestId !== undefined) body.error.requestId = requestId;
  const text = JSON.stringify(body);
  return extra === '' ? text : `${text.slice(0, -1)},${extra}}`;
}

export function retryAfterOf(error: LatchkeyError): number | undefined {
  return error.details.retryAfter ?? (error.retryable ? RETRY_AFTER : undefined);
}

/** Sends a refusal or fault. `extra` as in `errorBody`. */
export function sendError(reply: FastifyReply, error: LatchkeyError, extra = ''): FastifyReply {
  const retryAfter = retryAfterOf(error);
  if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter));
  return reply
    .code(error.row.status)
    .header('content-type', JSON_TYPE)
    .header('cache-control', 'no-cache')
    .send(errorBody(error, reply.request.id, extra));
}

/** A whole HTTP/1.1 answer as text, for sockets that no request and reply stand for. It closes the connection. */
export function rawAnswer(error: LatchkeyError, headers = ''): string {
  const body = errorBody(error, undefined);
  const { status } = error.row;
  const retryAfter = retryAfterOf(error);
  return (
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}\r\nContent-Type: ${JSON_TYPE}\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nCache-Control: no-cache\r\nConnection: close\r\n` +
    `${retryAfter === undefined ? '' : `Retry-After: ${retryAfter}\r\n`}${headers}\r\n${body}`
  );
}

const FASTIFY_CODES: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: [
    'body-too-big',
    'The request body is bigger than limits.bodyBytesMax; send it in parts.',
  ],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    'content-type-unsupported',
    'The Content-Type header is not a media type like application/json.',
  ],
  FST_ERR_ROUTE_MISSING_CONTENT_TYPE: ['content-type-unsupported', 'The request needs a Content-Type header.'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['invalid-request', 'The body has another length than its Content-Length says.'],
  FST_ERR_MAX_PARAM_LENGTH: ['uri-too-long', 'A part of the path is too long.'],
};

/** Everything a handler may throw as the one error of Latchkey. What is foreign is `internal`, and its text stays in the log. */
export function asLatchkeyError(error: unknown, request: FastifyRequest, bodyBytesMax: number): LatchkeyError {
  if (error instanceof LatchkeyError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'FST_ERR_BAD_URL') {
    const isKey = request.raw.url?.startsWith('/v1/keys/') ?? false;
    const message = `The path ${quote(request.raw.url)} is not percent-encoded UTF-8; encode % itself as %25.`;
    return new LatchkeyError(isKey ? 'key-invalid' : 'invalid-request', message, { field: isKey ? 'key' : 'path' });
  }
  const known = FASTIFY_CODES[code];
  if (known !== undefined) {
    return new LatchkeyError(known[0], known[1], known[0] === 'body-too-big' ? { limit: bodyBytesMax } : {});
  }
  if (code === 'ECONNRESET' || request.raw.aborted) {
    return new LatchkeyError('invalid-request', 'The connection was closed before the whole body had arrived.', {
      cause: error,
    });
  }
  return new LatchkeyError(
    'internal',
    'Latchkey failed while it answered this request; its log has the details under the requestId.',
    {
      cause: error,
    },
  );
}

/** The log line of a bug: the route's pattern and the error, never the request's key, query or body. */
export function logInternal(logger: Logger, error: LatchkeyError, request: FastifyRequest): void {
  logger.error(
    {
      requestId: request.id,
      method: request.method,
      route: request.routeOptions?.url ?? 'unknown',
      err: error.cause ?? error,
    },
    'gateways: a request failed with an error nobody expected; please report it',
  );
}

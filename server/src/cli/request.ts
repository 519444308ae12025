import type { Agent as HttpAgent, IncomingMessage } from 'node:http';
import { text as readText } from 'node:stream/consumers';
import { ERRORS, type ErrorCode, LatchkeyError, quote } from '@latchkey/client';
import { Agent, request as requestHttp } from '../shared/node-http.ts';
import type { ServerPlace } from './server-options.ts';

export interface Request {
  readonly method?: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Below the server's URL, percent-encoded, with its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Absent: a connection of its own. */
  readonly connection?: Connection;
  /** Default 30 s. */
  readonly timeoutMs?: number;
}

/** Kept open for one request after the other, until it is destroyed. */
export type Connection = HttpAgent;

const ANSWER_TIMEOUT_MS = 30_000;

export async function keepConnection(place: ServerPlace): Promise<Connection> {
  const options = { keepAlive: true, maxSockets: 1 };
  return isHttps(place) ? new (await import('node:https')).Agent(options) : new Agent(options);
}

/**
 * One request, by default on a connection of its own. `node:http`, because `fetch` alone costs a short command a third of its time, and
 * values are wanted as the bytes that they are.
 * @throws LatchkeyError `unavailable` or `timeout` where no answer came
 */
export async function send(place: ServerPlace, request: Request): Promise<IncomingMessage> {
  const base = new URL(place.server);
  const url = new URL(request.path.replace(/^\//, ''), base.pathname.endsWith('/') ? base : `${base.href}/`);
  const open = isHttps(place) ? (await import('node:https')).request : requestHttp;
  const timeoutMs = request.timeoutMs ?? ANSWER_TIMEOUT_MS;
  return await new Promise((resolve, reject) => {
    const outgoing = open(url, {
      method: request.method ?? 'GET',
      agent: request.connection ?? false,
      timeout: timeoutMs,
      headers: {
        ...(place.token === undefined ? {} : { authorization: `Bearer ${place.token}` }),
        ...(request.body === undefined ? {} : { 'content-length': Buffer.byteLength(request.body) }),
        ...request.headers,
      },
    });
    outgoing.on('response', resolve);
    outgoing.on('timeout', () => {
      outgoing.destroy(new LatchkeyError('timeout', `No answer from ${base.origin} within ${timeoutMs / 1000} s.`));
    });
    outgoing.on('error', (cause) => reject(cause instanceof LatchkeyError ? cause : unreachable(base, cause)));
    outgoing.end(request.body);
  });
}

/** As `send`, and every answer that is not 2xx is thrown as the error that it names. */
export async function sendOk(place: ServerPlace, request: Request): Promise<IncomingMessage> {
  const response = await send(place, request);
  const status = response.statusCode as number;
  if (status >= 200 && status < 300) return response;
  throw errorOf(response, await bodyText(response), place);
}

/** The JSON of a 2xx answer, and its text as the server wrote it. */
export async function sendForJson(place: ServerPlace, request: Request): Promise<{ text: string; value: unknown }> {
  const text = await bodyText(await sendOk(place, request));
  try {
    return { text, value: JSON.parse(text) };
  } catch {
    throw new LatchkeyError(
      'unavailable',
      `${place.server} answered ${quote(text)}, which is not JSON; is it a Latchkey server?`,
    );
  }
}

/** @throws LatchkeyError `unavailable` where the answer broke off */
export async function bodyText(response: IncomingMessage): Promise<string> {
  try {
    return await readText(response);
  } catch (cause) {
    throw new LatchkeyError('unavailable', 'The connection broke in the middle of the answer.', { cause });
  }
}

function unreachable(base: URL, cause: Error & { code?: string }): LatchkeyError {
  const why = cause.code === undefined || cause.code === 'ECONNREFUSED' ? '' : ` (${cause.code})`;
  return new LatchkeyError('unavailable', `No answer from ${base.origin}${why}: is a Latchkey server running there?`, {
    cause,
  });
}

function isHttps({ server }: ServerPlace): boolean {
  return server.startsWith('https:');
}

const CODES_OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  401: 'unauthorised',
  403: 'forbidden',
  404: 'not-found',
  408: 'timeout',
  412: 'conflict',
  429: 'overloaded',
  504: 'timeout',
};

function errorOf(response: IncomingMessage, text: string, place: ServerPlace): LatchkeyError {
  const status = response.statusCode as number;
  const seconds = Number(response.headers['retry-after'] ?? 'none');
  const timing = Number.isFinite(seconds) ? { retryAfter: seconds } : {};
  const { error, ...beside } = errorBody(text);
  const byStatus = CODES_OF_STATUS[status] ?? (status >= 500 ? 'unavailable' : 'invalid-request');
  if (error === undefined) {
    return new LatchkeyError(byStatus, `${place.server} answered ${status}: ${quote(text, 200)}.`, timing);
  }
  const { code, message, field, ...extra } = error;
  const known = typeof code === 'string' && Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : byStatus;
  return new LatchkeyError(known, String(message), {
    ...timing,
    ...(typeof field === 'string' ? { field } : {}),
    extra: { ...extra, ...beside },
  });
}

/** A conflict's answer has the outcome beside the error. */
function errorBody(text: string): { readonly error?: Record<string, unknown>; readonly [beside: string]: unknown } {
  try {
    const body: unknown = JSON.parse(text);
    const { error } = (body ?? {}) as { error?: unknown };
    return typeof error === 'object' && error !== null ? (body as { error: Record<string, unknown> }) : {};
  } catch {
    // A proxy's page is no error of ours; its status says enough.
    return {};
  }
}

import { ERRORS, type ErrorCode, LatchkeyError } from './error.ts';
import { quote } from './version.ts';

/** As `JSON.parse` takes one. `source` is the text of a number, text, true, false or null. */
export type Reviver = (name: string, value: unknown, context: { readonly source?: string }) => unknown;

/** Where requests go and how. */
export interface Endpoint {
  /** Ends in a slash, so that paths are resolved below it. */
  readonly base: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly fetch: typeof fetch;
  readonly reviver: Reviver | undefined;
}

export interface RequestOptions {
  readonly method?: 'GET' | 'POST';
  readonly query?: URLSearchParams;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sends one request and gives the answer if its status is 2xx.
 * @throws LatchkeyError as the server named it; `unavailable` where no answer came. An abort is thrown as the signal's own reason.
 */
export async function exchange(endpoint: Endpoint, path: string, options: RequestOptions = {}): Promise<Response> {
  const url = new URL(path, endpoint.base);
  if (options.query !== undefined) url.search = options.query.toString();
  let response: Response;
  try {
    response = await endpoint.fetch(url, {
      method: options.method ?? 'GET',
      cache: 'no-store',
      headers: {
        ...endpoint.headers,
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  } catch (cause) {
    options.signal?.throwIfAborted();
    throw new LatchkeyError(
      'unavailable',
      `No answer from ${endpoint.base.origin}: is a Latchkey server running there?`,
      {
        cause,
      },
    );
  }
  if (response.ok) return response;
  throw await errorOf(response);
}

/** The JSON of an answer. @throws LatchkeyError `unavailable` where the answer was cut off or is no JSON */
export async function jsonOf<T>(response: Response, reviver: Reviver | undefined, signal?: AbortSignal): Promise<T> {
  try {
    return JSON.parse(await response.text(), reviver as never) as T;
  } catch (cause) {
    signal?.throwIfAborted();
    throw new LatchkeyError('unavailable', `The answer of ${where(response)} was cut off, or is not JSON.`, { cause });
  }
}

/** What an answer with an error status means. Never throws: a body that is not Latchkey's is judged by its status alone. */
export async function errorOf(response: Response): Promise<LatchkeyError> {
  const text = await response.text().catch(() => '');
  const retryAfter = Number(response.headers.get('retry-after') ?? 'none');
  const timing = Number.isFinite(retryAfter) ? { retryAfter } : {};
  const error = parseError(text);
  if (error === undefined) {
    const message = `${where(response)} answered ${response.status} without an error of Latchkey: ${quote(text)}.`;
    return new LatchkeyError(codeOfStatus(response.status), message, timing);
  }
  const { code, message, field, limit, ...extra } = error;
  return new LatchkeyError(isErrorCode(code) ? code : codeOfStatus(response.status), String(message), {
    ...timing,
    isAnswer: true,
    ...(typeof field === 'string' ? { field } : {}),
    ...(typeof limit === 'number' ? { limit } : {}),
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  });
}

export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERRORS, code);
}

function parseError(text: string): Record<string, unknown> | undefined {
  try {
    const body: unknown = JSON.parse(text);
    const error = typeof body === 'object' && body !== null ? (body as { error?: unknown }).error : undefined;
    return typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : undefined;
  } catch {
    // A proxy's page is no error of ours; the status says enough.
    return undefined;
  }
}

// A 404 that is not Latchkey's says that there is no Latchkey, not that there is no entry.
function codeOfStatus(status: number): ErrorCode {
  if (status === 401) return 'unauthorised';
  if (status === 403) return 'forbidden';
  if (status === 408 || status === 504) return 'timeout';
  if (status === 425 || status === 429) return 'overloaded';
  return status >= 500 ? 'unavailable' : 'invalid-request';
}

// Without the query: a filter may hold names that do not belong in a message.
function where(response: Response): string {
  return response.url === '' ? 'the server' : response.url.replace(/[?#].*$/s, '');
}

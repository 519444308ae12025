/** The few HTTP calls that tests make again and again. Each answers with what the server said; none throws on a refusal. */
import type { Command, Outcome } from '@latchkey/client';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON, or undefined where it is none. */
  readonly json: unknown;
}

export async function ask(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { ...init, signal: init.signal ?? AbortSignal.timeout(20_000) });
  const text = await response.text();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.status, headers: response.headers, text, json };
}

const pathOf = (key: string) => `/v1/keys/${key.split('/').map(encodeURIComponent).join('/')}`;

/** `PUT /v1/keys/{key}` with a JSON value; `query` begins with `?`. */
export function put(
  url: string,
  key: string,
  value: unknown,
  query = '',
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return ask(`${url}${pathOf(key)}${query}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(value),
  });
}

export function get(url: string, key: string, query = ''): Promise<Answer> {
  return ask(`${url}${pathOf(key)}${query}`);
}

export function remove(url: string, key: string): Promise<Answer> {
  return ask(`${url}${pathOf(key)}`, { method: 'DELETE' });
}

/** `POST /v1/commands` as NDJSON; one outcome per line, in order. */
export async function sendCommands(url: string, commands: readonly Command[]): Promise<readonly Outcome[]> {
  const answer = await ask(`${url}/v1/commands`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: commands.map((command) => `${JSON.stringify(command)}\n`).join(''),
  });
  if (answer.status !== 200) throw new Error(`/v1/commands answered ${answer.status}: ${answer.text.slice(0, 500)}`);
  return answer.text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Outcome);
}

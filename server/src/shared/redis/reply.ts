/** What a Redis answers to a raw command. Bulk strings are `Buffer`s where the connection was made with `isBinary`. */
export type Reply =
  | string
  | number
  | bigint
  | Buffer
  | null
  | boolean
  | readonly Reply[]
  | { readonly [name: string]: Reply };

export type Argument = string | Buffer;

/** The text of a bulk or simple string. */
export function textOfReply(reply: Reply | undefined): string | undefined {
  if (typeof reply === 'string') return reply;
  if (Buffer.isBuffer(reply)) return reply.toString();
  return typeof reply === 'number' || typeof reply === 'bigint' ? String(reply) : undefined;
}

export function listOfReply(reply: Reply | undefined): readonly Reply[] {
  return Array.isArray(reply) ? reply : [];
}

/** The sections of `INFO` as one map. */
export function parseInfo(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0 && !line.startsWith('#')) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return fields;
}

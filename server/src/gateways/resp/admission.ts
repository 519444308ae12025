import type { Arguments, CommandSpec } from './call.ts';
import { type Client, KeptRequest } from './client.ts';
import { printable } from './commands-client.ts';

/** What MULTI keeps of one connection at most. */
const QUEUE_REQUESTS_MAX = 100_000;
const QUEUE_BYTES_MAX = 16 * 1024 * 1024;
const SHOWN_ARGUMENTS_LENGTH_MAX = 128;

/**
 * Whether a request may run: the command, or `queued` behind MULTI, or what speaks against it, as an error's text behind a `-`. `forged`:
 * it is HTTP, sent by a browser that somebody has talked into it.
 */
export function admit(
  request: Arguments,
  spec: CommandSpec | undefined,
  client: Client,
): CommandSpec | 'queued' | 'forged' | 'no-auth' | `-${string}` {
  const { queue } = client;
  if (spec === undefined) {
    const name = request.latin1(0);
    if (/^(?:post|host:)$/i.test(name)) return 'forged';
    if (queue !== undefined) queue.isBroken = true;
    return `-${unknownCommand(request)}`;
  }
  const { arity, flags, name } = spec;
  if (arity > 0 ? request.count !== arity : request.count < -arity) {
    if (queue !== undefined) queue.isBroken = true;
    return `-ERR wrong number of arguments for '${name}' command`;
  }
  if (!client.isAuthenticated && !flags.includes('unauthenticated')) return 'no-auth';
  if (client.protocol === 2 && !flags.includes('subscribed') && client.subscriptions.count > 0)
    return `-ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`;
  if (queue === undefined || flags.includes('immediate')) return spec;
  if (flags.includes('alone')) {
    queue.isBroken = true;
    return '-ERR Command not allowed inside a transaction';
  }
  const kept = new KeptRequest(request);
  for (let index = 0; index < kept.count; index += 1) queue.bytes += kept.size(index);
  if (queue.requests.length >= QUEUE_REQUESTS_MAX || queue.bytes > QUEUE_BYTES_MAX) {
    queue.isBroken = true;
    queue.requests.length = 0;
    return `-ERR MULTI keeps at most ${QUEUE_REQUESTS_MAX} commands and ${QUEUE_BYTES_MAX} bytes; send them in smaller ones`;
  }
  queue.requests.push(kept);
  return 'queued';
}

function unknownCommand(request: Arguments): string {
  let shown = '';
  for (let index = 1; index < request.count && shown.length < SHOWN_ARGUMENTS_LENGTH_MAX; index += 1)
    shown += `'${printable(request.latin1(index).slice(0, SHOWN_ARGUMENTS_LENGTH_MAX - shown.length))}' `;
  return `ERR unknown command '${printable(request.latin1(0))}', with args beginning with: ${shown}`;
}

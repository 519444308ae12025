import { isIPv6 } from 'node:net';
import type { FastifyRequest } from 'fastify';
import { ANONYMOUS, type Principal } from '../shared/access.ts';
import type { PrincipalOf } from './gateway.ts';

/** Users do not exist yet; every gateway asks here, so that they can. */
export const principalOf: PrincipalOf = (): Principal => ANONYMOUS;

/** `127.0.0.1:50412`, `[::1]:50412`: who is at the other end of the connection. */
export function clientAddress(request: FastifyRequest): string {
  const { remoteAddress = 'unknown', remotePort = 0 } = request.raw.socket;
  const address = remoteAddress.startsWith('::ffff:') ? remoteAddress.slice(7) : remoteAddress;
  return isIPv6(address) ? `[${address}]:${remotePort}` : `${address}:${remotePort}`;
}

/** The `origin` of changes that this request makes: `http:ADDR:PORT`. */
export function originOf(request: FastifyRequest): string {
  return `http:${clientAddress(request)}`;
}

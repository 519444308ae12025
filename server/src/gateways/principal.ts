import { isIPv6, type Socket } from 'node:net';
import { ANONYMOUS, type Principal } from '../shared/access.ts';
import type { PrincipalOf } from './gateway.ts';

/** Users do not exist yet; every gateway asks here, so that they can. */
export const principalOf: PrincipalOf = (): Principal => ANONYMOUS;

/** The `origin` of changes that are made over this connection: `http:127.0.0.1:50412`, `http:[::1]:50412`. */
export function originOf(socket: Socket): string {
  const { remoteAddress = 'unknown', remotePort = 0 } = socket;
  const address = remoteAddress.startsWith('::ffff:') ? remoteAddress.slice(7) : remoteAddress;
  return `http:${isIPv6(address) ? `[${address}]` : address}:${remotePort}`;
}

import { isIPv4 } from 'node:net';

/** Whether only this machine can be meant by a host: `localhost`, `127.0.0.0/8`, `::1`, with or without brackets. */
export function isLoopback(host: string): boolean {
  const name = bareHost(host);
  if (name === 'localhost' || name.endsWith('.localhost') || name === '::1') return true;
  const address = name.startsWith('::ffff:') ? name.slice(7) : name;
  return address.startsWith('127.') && isIPv4(address);
}

/** A host without brackets and final dot, in lower case. */
export function bareHost(host: string): string {
  const inner = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
  const lower = inner.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

/** The host of a `Host` header or of an origin: what stands before the port. Two colons without brackets are a bare IPv6 address. */
export function hostOfAuthority(authority: string): string {
  if (authority.startsWith('[')) return bareHost(authority.slice(0, authority.indexOf(']') + 1));
  const colon = authority.indexOf(':');
  const isBareIpv6 = colon !== authority.lastIndexOf(':');
  return bareHost(colon < 0 || isBareIpv6 ? authority : authority.slice(0, colon));
}

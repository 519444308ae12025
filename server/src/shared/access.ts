/** Who asks. `anonymous` until users exist; every request already carries one. */
export interface Principal {
  readonly id: string;
}

export const ANONYMOUS: Principal = { id: 'anonymous' };

export type Action = 'read' | 'write' | 'watch' | 'admin';

/** Asked for every read, write and watch on every gateway, and by the log for every command. */
export interface Access {
  allowed(principal: Principal, action: Action, key: string): boolean;
  /** A short canonical text of what the principal may see; part of a watch group's identity and of its positions' hash. */
  grants(principal: Principal): string;
}

export const openAccess: Access = { allowed: () => true, grants: () => '' };

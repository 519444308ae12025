import type { Leases } from '../log/lease.ts';

/** For a source whose messages reach no other node: whoever asks has the lease. */
export const UNSHARED_LEASES: Leases = {
  acquire: async (name, holder) => ({
    name,
    holder,
    fence: 0,
    renew: async () => true,
    release: async () => undefined,
  }),
};

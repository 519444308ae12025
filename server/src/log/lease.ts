/** The right to do something that must happen once among N nodes. The fence number goes with every batch made under it. */
export interface Lease {
  readonly name: string;
  readonly holder: string;
  /** Grows with every change of hands. */
  readonly fence: number;
  /** Prolongs it; false once somebody else has it. */
  renew(): Promise<boolean>;
  release(): Promise<void>;
}

export interface Leases {
  /** The lease, or undefined while another holder's has not run out. The same holder gets its own again with the same fence. */
  acquire(name: string, holder: string, ttlMs: number): Promise<Lease | undefined>;
}

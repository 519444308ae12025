/** What a key of this example holds. One fact a key, so that each has an age of its own. */
export interface Gauge {
  /** Of `max`, in `unit`. */
  readonly value: number;
  readonly max: number;
  readonly unit: 'part' | 'bytes';
}

export interface Traffic {
  readonly receivedPerS: number;
  readonly sentPerS: number;
}

export interface Host {
  readonly name: string;
  readonly system: string;
}

/** `machine.cpu.0`, `machine.memory.used`, `machine.disk.<mount>`, `machine.network.eth0`, `machine.host`. */
export const PREFIX = 'machine.';

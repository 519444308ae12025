import { randomInt } from 'node:crypto';
import { formatVersion, type Position, type Version } from '@latchkey/client';

/** One unbroken run of the log: its id and the first offset it gave in each partition. */
export interface Epoch {
  readonly id: string;
  readonly first: readonly number[];
}

/** The log keeps this many epochs; a position of an older one is `reset`. */
export const EPOCHS_MAX = 1000;

const EPOCH_ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz';

export function newEpochId(): string {
  return Array.from({ length: 8 }, () => EPOCH_ALPHABET[randomInt(36)]).join('');
}

/**
 * The epochs of a log, oldest first. A version or position of an epoch holds up to the first offset of the next one: what lies
 * beyond was never durable, or belongs to a copy of the data.
 *
 * Invariant: first offsets never decrease, and ids are unique.
 */
export class EpochTable {
  readonly #epochs: readonly Epoch[];
  readonly partitions: number;

  constructor(epochs: readonly Epoch[]) {
    if (epochs.length === 0) throw new RangeError('an epoch table holds at least the current epoch');
    this.#epochs = epochs.slice(-EPOCHS_MAX);
    this.partitions = (epochs[0] as Epoch).first.length;
  }

  get current(): string {
    return (this.#epochs.at(-1) as Epoch).id;
  }

  list(): readonly Epoch[] {
    return this.#epochs;
  }

  /** The id of the epoch in which an offset was given out. */
  at(partition: number, offset: number): string {
    for (let index = this.#epochs.length - 1; index > 0; index -= 1) {
      const epoch = this.#epochs[index] as Epoch;
      if ((epoch.first[partition] as number) <= offset) return epoch.id;
    }
    return (this.#epochs[0] as Epoch).id;
  }

  version(place: { readonly partition: number; readonly offset: number }): Version {
    return { epoch: this.at(place.partition, place.offset), partition: place.partition, offset: place.offset };
  }

  versionText(place: { readonly partition: number; readonly offset: number }): string {
    return formatVersion(this.version(place), this.partitions);
  }

  /** Whether an offset of that epoch is still the same place in this log. */
  holds(epochId: string, partition: number, offset: number): boolean {
    const index = this.#epochs.findLastIndex((epoch) => epoch.id === epochId);
    if (index < 0 || partition >= this.partitions) return false;
    const next = this.#epochs[index + 1];
    return next === undefined || offset < (next.first[partition] as number);
  }

  /** As `holds`, for every component of a position. An offset past the head is not judged here. */
  holdsPosition(position: Position): boolean {
    if (position.components.length > this.partitions) return false;
    if (!this.#epochs.some((epoch) => epoch.id === position.epoch)) return false;
    return position.components.every(
      ({ offset, base }, partition) =>
        this.holds(position.epoch, partition, offset) &&
        (base === undefined || this.holds(position.epoch, partition, base)),
    );
  }
}

/**
 * Says `progress` to every member once per interval, each at its own moment of it, so that 50,000 idle watches are a steady trickle
 * and not a burst. It stands beside the tick: it moves no member forward, it only says where members are.
 *
 * Invariant: every member is in exactly one slot of the wheel, and the timer runs exactly while there is one.
 */
import type { Member } from './member.ts';

const SLOTS = 32;
// The wheel turns a little faster than promised: timers fire late, never early.
const HASTE = 0.9;

export class Heartbeat {
  readonly #slots: readonly Set<Member>[] = Array.from({ length: SLOTS }, () => new Set<Member>());
  readonly #slotMs: number;
  readonly #random: () => number;
  readonly #beat: (members: Iterable<Member>) => void;
  readonly #slotOf = new WeakMap<Member, Set<Member>>();
  #timer: NodeJS.Timeout | undefined;
  #next = 0;
  #count = 0;

  /** `beat` is called for every slot, also for an empty one. */
  constructor(intervalMs: number, random: () => number, beat: (members: Iterable<Member>) => void) {
    this.#slotMs = Math.max(1, (intervalMs * HASTE) / SLOTS);
    this.#random = random;
    this.#beat = beat;
  }

  add(member: Member): void {
    const slot = this.#slots[Math.floor(this.#random() * SLOTS) % SLOTS] as Set<Member>;
    slot.add(member);
    this.#slotOf.set(member, slot);
    this.#count += 1;
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => this.#turn(), this.#slotMs);
    // A process that has nothing left but idle watches may exit; its listener keeps it alive, not this.
    this.#timer.unref();
  }

  remove(member: Member): void {
    if (this.#slotOf.get(member)?.delete(member) !== true) return;
    this.#count -= 1;
    if (this.#count === 0) this.stop();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #turn(): void {
    const slot = this.#slots[this.#next] as Set<Member>;
    this.#next = (this.#next + 1) % SLOTS;
    this.#beat(slot);
  }
}

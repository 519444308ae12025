/**
 * The frames of one feed group on one connection: which of them went out, and which attached watch was handed which. The feed
 * hands the same buffer to each of its members in one turn, member by member or frame by frame; it goes out for the first.
 *
 * Invariant: a frame is held exactly while a watch that was attached when it went out was not handed it.
 */
export interface SharedMember {
  /** How many frames of the group had gone out up to the last one that it was handed, or that was not for it. */
  seen: number;
}

export class SharedFrames<Member extends SharedMember> {
  readonly ref: string;
  /** Few, nearly always one: an array costs an idle connection less than a set. */
  readonly members: Member[] = [];
  #held: { readonly frame: Buffer; awaiting: number }[] = [];
  #sent = 0;

  constructor(ref: string) {
    this.ref = ref;
  }

  join(member: Member): void {
    this.members.push(member);
    member.seen = this.#sent;
  }

  leave(member: Member): void {
    const place = this.members.indexOf(member);
    if (place < 0) return;
    this.members.splice(place, 1);
    for (let index = this.#indexOf(member); index < this.#held.length; index += 1) this.#count(index);
    this.#release();
  }

  /** `new`: nobody was handed it before. `seen`: it went out already. `foreign`: something else went out in its place. */
  judge(member: Member, frame: Buffer): 'new' | 'seen' | 'foreign' {
    const index = this.#indexOf(member);
    if (index === this.#held.length) return 'new';
    return this.#held[index]?.frame === frame ? 'seen' : 'foreign';
  }

  /** It goes out for all that are members now, or did. */
  take(member: Member, frame: Buffer): void {
    const index = this.#indexOf(member);
    if (index === this.#held.length) {
      // Nearly always: a frame that goes out for one watch awaits nobody.
      if (this.members.length === 1) {
        this.#sent += 1;
        member.seen = this.#sent;
        return;
      }
      this.#held.push({ frame, awaiting: this.members.length });
      this.#sent += 1;
    }
    this.#count(index);
    member.seen += 1;
    this.#release();
  }

  /** Whether it was handed all that went out. */
  isLevel(member: Member): boolean {
    return member.seen === this.#sent;
  }

  #indexOf(member: Member): number {
    return this.#held.length - (this.#sent - member.seen);
  }

  #count(index: number): void {
    const held = this.#held[index];
    if (held !== undefined) held.awaiting -= 1;
  }

  #release(): void {
    while (this.#held[0]?.awaiting === 0) this.#held.shift();
  }

  /** Asserted by tests. */
  checkInvariants(): void {
    for (const [index, { awaiting }] of this.#held.entries()) {
      const owed = this.members.filter((member) => this.#indexOf(member) <= index).length;
      if (owed !== awaiting || owed === 0)
        throw new Error(`a frame of ${this.ref} awaits ${awaiting} watches, not ${owed}`);
    }
  }
}

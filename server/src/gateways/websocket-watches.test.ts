import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import fc from 'fast-check';
import type { Feed, Outlet, WatchRequest } from '../feed/feed.ts';
import { ANONYMOUS } from '../shared/access.ts';
import { textFrame, websocketCodec } from './websocket-codec.ts';
import { WebsocketWatches } from './websocket-watches.ts';

const request: WatchRequest = {
  filter: {},
  principal: ANONYMOUS,
  from: 'now',
  withValues: true,
  codec: websocketCodec,
};

const live = (number: number) => textFrame(`{"ref":"g1","changes":[${number}],"position":"aaaa.${number}"}`);
const control = (op: string, id: string) => {
  const ref = op === 'synced' ? ',"ref":"g1"' : '';
  return textFrame(`{"op":"${op}"${ref},"id":${id},"position":"aaaa.0"}`);
};

/** A feed that a test speaks for, a socket that is full when it says so, and what the client makes of the frames. */
class Connection {
  readonly outlets = new Map<string, Outlet>();
  readonly closed: string[] = [];
  isFull = false;
  readonly watches: WebsocketWatches;
  /** What each watch was shown, by the rules of the protocol. */
  readonly seen = new Map<number, number[]>();
  readonly #attached = new Set<number>();
  frames = 0;
  /** What the feed does within `Watch.drained`. */
  onDrained: (id: number) => void = () => {};

  constructor() {
    const feed: Feed = {
      watch: (_request, outlet) => {
        this.outlets.set(outlet.id, outlet);
        return {
          ref: 'g1',
          position: () => ({ epoch: 'aaaa', components: [{ offset: 0 }] }),
          drained: () => this.onDrained(Number(outlet.id)),
          close: () => this.closed.push(outlet.id),
        };
      },
      counts: () => ({ watchers: 0, groups: 0, behind: 0 }),
      delivered: () => 0,
      sendAway: () => {},
      close: async () => {},
    };
    const writer = { write: (frame: Buffer) => this.#read(frame), isFull: () => this.isFull, onEnded: () => {} };
    this.watches = new WebsocketWatches(writer, feed);
  }

  open(id: number): Outlet {
    this.watches.open(String(id), request);
    this.seen.set(id, []);
    return this.outlets.get(String(id)) as Outlet;
  }

  #read(bytes: Buffer): void {
    this.frames += 1;
    const frame = JSON.parse(bytes.toString('utf8', (bytes[1] as number) < 126 ? 2 : 4)) as {
      op?: string;
      id?: number;
      ref?: string;
      changes?: number[];
    };
    if (frame.op === 'synced') this.#attached.add(frame.id as number);
    if (frame.op === 'behind') assert.ok(this.#attached.delete(frame.id as number), 'told twice that it is behind');
    if (frame.changes === undefined) return;
    if (frame.ref === undefined) {
      assert.equal(this.#attached.has(frame.id as number), false, 'an attached watch gets no frames of its own');
    }
    const to = frame.ref === undefined ? [frame.id as number] : this.#attached;
    for (const id of to) this.seen.get(id)?.push(...frame.changes);
  }
}

describe('a watch that waits until its position is reached', () => {
  const begin = (connection: Connection) => {
    const reached = Promise.withResolvers<void>();
    const gone = new AbortController();
    return { reached, gone, opened: connection.watches.openWhen('1', request, reached.promise, gone) };
  };

  test('begins then, and holds its id from the first', async () => {
    const connection = new Connection();
    const { opened, reached } = begin(connection);
    assert.equal(connection.outlets.has('1'), false);
    assert.throws(() => connection.watches.open('1', request), { code: 'invalid-request' });
    reached.resolve();
    await opened;
    assert.ok(connection.outlets.has('1'));
  });

  test('is refused with what the wait failed with, and its id is free again', async () => {
    const connection = new Connection();
    const { opened, reached } = begin(connection);
    reached.reject(new LatchkeyError('position-ahead', 'Not yet.'));
    await assert.rejects(opened, { code: 'position-ahead' });
    connection.open(1);
  });

  test('never begins where it was closed meanwhile, and whoever waits for it is told', async () => {
    const connection = new Connection();
    const { gone, opened, reached } = begin(connection);
    assert.ok(connection.watches.close('1'));
    assert.ok(gone.signal.aborted);
    reached.resolve();
    await opened;
    assert.equal(connection.outlets.has('1'), false);
    assert.equal(connection.watches.size, 0);
  });
});

describe('watches of one connection', () => {
  test('the same frame for several attached watches goes out once', () => {
    const connection = new Connection();
    const outlets = [1, 2, 3].map((id) => connection.open(id));
    for (const outlet of outlets) outlet.write(control('synced', outlet.id));
    const before = connection.frames;
    const frame = live(1);
    for (const outlet of outlets) assert.equal(outlet.write(frame), true);
    assert.equal(connection.frames - before, 1);
    for (const id of [1, 2, 3]) assert.deepEqual(connection.seen.get(id), [1]);
  });

  test('a watch that is not attached gets a shared frame as its own', () => {
    const connection = new Connection();
    const one = connection.open(1);
    const two = connection.open(2);
    one.write(control('synced', '1'));
    const frame = live(1);
    for (const outlet of [one, two]) outlet.write(frame);
    assert.deepEqual(connection.seen.get(1), [1]);
    assert.deepEqual(connection.seen.get(2), [1]);
  });

  test('a watch that was refused bytes is detached before its group’s next frame, and told so once', () => {
    const connection = new Connection();
    const one = connection.open(1);
    const two = connection.open(2);
    for (const outlet of [one, two]) outlet.write(control('synced', outlet.id));
    const first = live(1);
    connection.isFull = true;
    assert.equal(one.write(first), false);
    connection.isFull = false;
    assert.equal(two.write(first), true);
    assert.equal(two.write(live(2)), true);
    assert.deepEqual(connection.seen.get(1), [1], 'the second frame was not for it');
    one.write(control('behind', '1'));
    one.write(textFrame('{"id":1,"changes":[2],"position":"aaaa.2"}'));
    one.write(control('synced', '1'));
    const third = live(3);
    for (const outlet of [two, one]) outlet.write(third);
    for (const id of [1, 2]) assert.deepEqual(connection.seen.get(id), [1, 2, 3]);
  });

  test('a watch that missed nothing while its socket was full goes on in the shared frames', () => {
    const connection = new Connection();
    const outlets = [1, 2].map((id) => connection.open(id));
    for (const outlet of outlets) outlet.write(control('synced', outlet.id));
    connection.isFull = true;
    const first = live(1);
    for (const outlet of outlets) assert.equal(outlet.write(first), false);
    connection.isFull = false;
    connection.watches.drained();
    const before = connection.frames;
    const second = live(2);
    for (const outlet of outlets) assert.equal(outlet.write(second), true);
    assert.equal(connection.frames - before, 1, 'one frame for both, and nobody was told that it is behind');
    for (const id of [1, 2]) assert.deepEqual(connection.seen.get(id), [1, 2]);
    connection.watches.checkInvariants();
  });

  test('several frames of one turn, handed out watch by watch, are each shown once to each', () => {
    const connection = new Connection();
    const outlets = [1, 2].map((id) => connection.open(id));
    for (const outlet of outlets) outlet.write(control('synced', outlet.id));
    const frames = [live(1), live(2), live(3)];
    for (const outlet of outlets) for (const frame of frames) assert.equal(outlet.write(frame), true);
    for (const id of [1, 2]) assert.deepEqual(connection.seen.get(id), [1, 2, 3]);
    connection.watches.checkInvariants();
  });

  test('a watch refused in the middle of a turn does not take the others with it', () => {
    const connection = new Connection();
    const [one, two] = [1, 2].map((id) => connection.open(id)) as [Outlet, Outlet];
    for (const outlet of [one, two]) outlet.write(control('synced', outlet.id));
    const frames = [live(1), live(2), live(3)] as const;
    assert.equal(one.write(frames[0]), true);
    connection.isFull = true;
    assert.equal(one.write(frames[1]), false);
    assert.equal(two.write(frames[0]), true, 'it went out already');
    assert.equal(two.write(frames[1]), false, 'the client has no more than this');
    for (const id of [1, 2]) assert.deepEqual(connection.seen.get(id), [1, 2]);
  });

  test('whatever the feed does within its contract, each watch is shown what it was handed, in order and once', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('tick' as const), chunks: fc.integer({ min: 1, max: 3 }), byMember: fc.boolean() }),
      fc.record({ kind: fc.constant('full' as const), after: fc.integer({ min: 0, max: 4 }) }),
      fc.record({ kind: fc.constant('drain' as const) }),
      fc.record({ kind: fc.constant('unwatch' as const), id: fc.integer({ min: 1, max: 4 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const model = new FeedModel();
        for (const each of steps) model.take(each);
        model.take({ kind: 'drain' });
        model.check();
      }),
      { numRuns: 500, verbose: true },
    );
  });
});

type Step =
  | { readonly kind: 'tick'; readonly chunks: number; readonly byMember: boolean }
  | { readonly kind: 'full'; readonly after: number }
  | { readonly kind: 'drain' }
  | { readonly kind: 'unwatch'; readonly id: number };

/** A feed as its contract has it: live members get every chunk, refused ones are behind until they drained and caught up. */
class FeedModel {
  readonly connection = new Connection();
  readonly #at = new Map<number, number>();
  readonly #live = new Set<number>();
  #head = 0;
  #room = Number.POSITIVE_INFINITY;

  constructor() {
    for (const id of [1, 2, 3, 4]) {
      this.connection.open(id);
      this.#at.set(id, 0);
      this.#goLive(id);
    }
    this.connection.onDrained = (id) => {
      if (this.#live.has(id)) return;
      // Who missed nothing goes on; the others are taken out of the shared frames before anything else goes out.
      if (this.#at.get(id) === this.#head) this.#live.add(id);
      else this.#write(id, control('behind', String(id)));
    };
    const { watches } = this.connection;
    const write = watches.write.bind(watches);
    watches.write = (member, frame) => {
      const before = this.connection.frames;
      // The socket fills up once so many frames went out.
      if (this.#room <= 1) this.connection.isFull = true;
      const hasRoom = write(member, frame);
      this.#room -= this.connection.frames - before;
      return hasRoom;
    };
  }

  take(step: Step): void {
    if (step.kind === 'tick') this.#tick(step);
    else if (step.kind === 'full') this.#room = step.after;
    else if (step.kind === 'drain') this.#drain();
    else if (this.#at.delete(step.id)) {
      this.#live.delete(step.id);
      this.connection.watches.close(String(step.id));
      this.connection.seen.delete(step.id);
    }
    this.connection.watches.checkInvariants();
  }

  check(): void {
    for (const seen of this.connection.seen.values()) {
      assert.deepEqual(
        seen,
        Array.from({ length: this.#head }, (_, index) => index + 1),
      );
    }
  }

  #tick({ byMember, chunks }: { readonly byMember: boolean; readonly chunks: number }): void {
    const frames = Array.from(
      { length: chunks },
      (_, index) => [this.#head + index + 1, live(this.#head + index + 1)] as const,
    );
    this.#head += chunks;
    const hand = (id: number, at: number, frame: Buffer) => {
      if (!this.#live.has(id)) return;
      this.#at.set(id, at);
      if (!this.#write(id, frame)) this.#live.delete(id);
    };
    if (byMember) for (const id of [...this.#live]) for (const [at, frame] of frames) hand(id, at, frame);
    else for (const [at, frame] of frames) for (const id of [...this.#live]) hand(id, at, frame);
  }

  #drain(): void {
    this.#room = Number.POSITIVE_INFINITY;
    this.connection.isFull = false;
    this.connection.watches.drained();
    const behind = [...this.#at.keys()].filter((id) => !this.#live.has(id));
    for (const id of behind) {
      for (let at = (this.#at.get(id) as number) + 1; at <= this.#head; at += 1) {
        this.#write(id, textFrame(`{"id":${id},"changes":[${at}],"position":"aaaa.${at}"}`));
      }
      this.#at.set(id, this.#head);
      this.#goLive(id);
    }
  }

  #goLive(id: number): void {
    this.#write(id, control('synced', String(id)));
    this.#live.add(id);
  }

  #write(id: number, frame: Buffer): boolean {
    return (this.connection.outlets.get(String(id)) as Outlet).write(frame);
  }
}

/**
 * Bugs that a server can be started with, to show that each is found: a checker that finds nothing proves nothing. They sit where a
 * real one would, between the store and its readers or between the feed and its streams; no proxy, no other client.
 */
import type { ControlEvent, Position } from '@latchkey/client';
import type { Codec, Feed, WatchRequest } from '../../server/src/feed/feed.ts';
import type { RedisStore } from '../../server/src/log/redis/redis-store.ts';
import type { Change } from '../../server/src/shared/change.ts';
import type { CheckerName } from '../../server/src/verify/checkers.ts';
import type { Table, TableName, WritableView } from '../../server/src/view/view.ts';
import type { NodesPlan, Plan } from './plan.ts';
import { answerUnwritten, forgetOthersKeys, forgetWriter, leavePlainKey } from './planted-store.ts';

/** Whether it strikes this time; `what` is noted when it does. */
export type Strikes = (what: string) => boolean;

interface Delivery {
  readonly changes: readonly Change[];
  readonly positions: readonly string[];
}

export interface PlantedBug {
  readonly about: string;
  /** One in so many that a test of seconds meets it. */
  readonly oneIn: number;
  /** The checker that names it; others may as well. */
  readonly foundBy:
    | CheckerName
    | 'NothingBeforeFlush'
    | 'FilterResets'
    | 'AppliedOnce'
    | 'ProgressExact'
    | 'NodesAgree';
  /** The faults it takes to show; without them `latchkey verify` finds it from outside. */
  readonly under?: Omit<Plan, 'workers'>;
  /** The same, of one among several nodes around one Redis. */
  readonly amongNodes?: NodesPlan;
  readonly inView?: (view: WritableView, strikes: Strikes) => void;
  readonly inStore?: (store: RedisStore, strikes: Strikes) => RedisStore;
  readonly inRequest?: (request: WatchRequest, strikes: Strikes) => WatchRequest;
  readonly inDelivery?: (delivery: Delivery, strikes: Strikes) => Delivery;
  readonly inControl?: (event: ControlEvent, strikes: Strikes) => ControlEvent | undefined;
  /** The store answers before its commit is flushed. */
  readonly isFlushIgnored?: boolean;
}

const named = ({ key, offset, op }: Change) => `${op} ${key}@${offset}`;

/** What every stream was told of lately: where a leak finds something to leak. */
const lately: Change[] = [];
const LATELY_MAX = 200;

function dropFromAnnouncement(view: WritableView, strikes: Strikes): void {
  const subscribe = view.onDurable.bind(view);
  const dropped = new Set<number>();
  let decidedTo = 0;
  // Whoever hears of a change first decides for all who listen.
  const isDropped = (change: Change) => {
    if (change.offset > decidedTo) {
      decidedTo = change.offset;
      if (strikes(named(change))) dropped.add(change.offset);
    }
    return dropped.has(change.offset);
  };
  view.onDurable = (listener) => subscribe((changes) => listener(changes.filter((change) => !isDropped(change))));
}

function dropFromScan(view: WritableView, strikes: Strikes): void {
  const scan = view.scan.bind(view);
  view.scan = (...asked) => {
    const page = scan(...asked);
    return { ...page, changes: page.changes.filter((change) => !strikes(named(change))) };
  };
}

function scanOneTooMany(view: WritableView, strikes: Strikes): void {
  const scan = view.scan.bind(view);
  view.scan = (partition, after, options) =>
    scan(partition, after > 0 && strikes(`from ${after} with ${after}`) ? after - 1 : after, options);
}

function forgetWrite(view: WritableView, strikes: Strikes): void {
  const apply = view.apply.bind(view);
  // Not the last of its step, whose place says how far the log is.
  view.apply = (step) =>
    apply({
      ...step,
      placed: step.placed.filter(({ change }, index) => index + 1 === step.placed.length || !strikes(named(change))),
    });
}

function inTable(view: WritableView, name: TableName, change: (table: Table) => Partial<Table>): void {
  const open = view.table.bind(view);
  view.table = (asked) => {
    const table = open(asked);
    if (asked !== name) return table;
    const plain: Table = {
      get: (key) => table.get(key),
      range: (start, end, limit) => table.range(start, end, limit),
      put: (key, value) => table.put(key, value),
      remove: (key) => table.remove(key),
    };
    return { ...plain, ...change(table) };
  };
}

function swapNeighbours({ changes, positions }: Delivery, strikes: Strikes): Delivery {
  const [first, second, ...rest] = changes;
  if (first === undefined || second === undefined || !strikes(`${named(second)} before ${named(first)}`))
    return { changes, positions };
  return { changes: [second, first, ...rest], positions };
}

function leak({ changes, positions }: Delivery, strikes: Strikes): Delivery {
  const [first, last] = [changes[0], changes.at(-1)];
  if (first === undefined || last === undefined) return { changes, positions };
  // Between two changes that the filter matches, so that the order is kept and the filter alone was broken.
  const other = lately.find(
    ({ offset }) => offset > first.offset && offset < last.offset && !changes.some((each) => each.offset === offset),
  );
  if (other === undefined || !strikes(named(other))) return { changes, positions };
  const at = changes.findIndex(({ offset }) => offset > other.offset);
  return {
    changes: changes.toSpliced(at, 0, other),
    positions: positions.toSpliced(at, 0, positions[at - 1] as string),
  };
}

function showAnotherValue({ changes, positions }: Delivery, strikes: Strikes): Delivery {
  const shown = changes.map((change, index) => {
    const other = changes[index + 1];
    if (change.op !== 'put' || other?.op !== 'put' || !strikes(`${named(change)} with the value of ${named(other)}`))
      return change;
    return { ...change, value: other.value };
  });
  return { changes: shown, positions };
}

function reachTooFar({ changes, positions }: Delivery, strikes: Strikes): Delivery {
  const last = positions.at(-1);
  if (last === undefined || !strikes(`${last} and one more`)) return { changes, positions };
  const further = last.replace(/^(\w+\.)(\d+)/, (_, epoch, offset) => `${epoch}${Number(offset) + 1}`);
  return { changes, positions: positions.with(-1, further) };
}

const isPosition = (from: WatchRequest['from']): from is Position => typeof from === 'object';

function startAnew(request: WatchRequest, strikes: Strikes): WatchRequest {
  return isPosition(request.from) && strikes('a resume from the start') ? { ...request, from: 'start' } : request;
}

function takeAnyFilter(request: WatchRequest, strikes: Strikes): WatchRequest {
  if (!isPosition(request.from) || !strikes('a position without its filter')) return request;
  const { components, epoch } = request.from;
  return { ...request, from: { components, epoch } };
}

export const PLANTED_BUGS = {
  drop: {
    about: 'a change is not announced to those who watch live',
    oneIn: 200,
    foundBy: 'GapFree',
    inView: dropFromAnnouncement,
  },
  'drop-in-catch-up': {
    about: 'a change is left out where a watch that comes back reads the log',
    oneIn: 5,
    foundBy: 'GapFree',
    inView: dropFromScan,
  },
  repeat: {
    about: 'a resume begins with the change it had reached',
    oneIn: 2,
    foundBy: 'Unique',
    inView: scanOneTooMany,
  },
  swap: { about: 'two changes change places', oneIn: 50, foundBy: 'Ordered', inDelivery: swapNeighbours },
  leak: {
    about: 'a change that the filter does not match is delivered',
    oneIn: 10,
    foundBy: 'Filtered',
    inDelivery: leak,
  },
  'other-value': {
    about: 'a change is shown with the value of another',
    oneIn: 100,
    foundBy: 'SeenStays',
    inDelivery: showAnotherValue,
  },
  'position-ahead': {
    about: 'a position names one offset more than was delivered',
    oneIn: 50,
    foundBy: 'Bookmarked',
    inDelivery: reachTooFar,
  },
  'start-anew': {
    about: 'a resume is answered as if it had no position',
    oneIn: 2,
    foundBy: 'Resumable',
    inRequest: startAnew,
  },
  'forget-write': {
    about: 'a write is acknowledged and not kept',
    oneIn: 200,
    foundBy: 'NoLostAck',
    inView: forgetWrite,
  },
  'forget-key': {
    about: 'an idempotency key is forgotten',
    oneIn: 4,
    foundBy: 'AppliedOnce',
    under: { world: 'complete', rounds: [['cut'], ['cut']] },
    inView: (view, strikes) =>
      inTable(view, 'idempotency', (table) => ({
        get: (key) => {
          const found = table.get(key);
          return found !== undefined && strikes('an idempotency key') ? undefined : found;
        },
      })),
  },
  'forget-progress': {
    about: 'the progress of a source is not kept with its rows',
    oneIn: 10,
    foundBy: 'ProgressExact',
    under: { world: 'complete', rounds: [['cut'], ['kill']] },
    inView: (view, strikes) =>
      inTable(view, 'progress', (table) => ({
        put: (key, value) => {
          if (!strikes(`${key} at ${value}`)) table.put(key, value);
        },
      })),
  },
  'any-filter': {
    about: 'a position of another filter is resumed',
    oneIn: 1,
    foundBy: 'FilterResets',
    under: { world: 'complete', rounds: [['cut'], ['cut'], ['cut'], ['cut'], ['cut']] },
    inRequest: takeAnyFilter,
  },
  'conflate-silently': {
    about: 'a watch is conflated and not told',
    oneIn: 1,
    foundBy: 'GapFree',
    // Whoever comes back is conflated where it comes back from an older position, which half of those who replay do.
    under: { world: 'narrow', rounds: [['cut'], ['cut'], ['cut'], ['cut'], ['cut'], ['cut']] },
    inControl: (event, strikes) => (event.op === 'conflated' && strikes('conflated') ? undefined : event),
  },
  'skip-change': {
    about: 'a node leaves out a change that is in the log',
    oneIn: 100,
    foundBy: 'NodesAgree',
    amongNodes: { world: 'complete', rounds: [['link: cut']] },
    inView: forgetWrite,
  },
  'answer-unwritten': {
    about: 'a node takes for written what its Redis never saw',
    oneIn: 5,
    foundBy: 'NoLostAck',
    amongNodes: { world: 'complete', rounds: [['link: cut']] },
    inStore: answerUnwritten,
  },
  'forget-writer': {
    about: 'a write whose answer was lost is written again',
    oneIn: 5,
    foundBy: 'AppliedOnce',
    amongNodes: { world: 'complete', rounds: [['link: cut']] },
    inStore: forgetWriter,
  },
  'leave-plain-key': {
    about: 'a change is in the log, and the plain key is left as it was',
    oneIn: 10,
    foundBy: 'NodesAgree',
    amongNodes: { world: 'complete', rounds: [['link: cut']] },
    inStore: leavePlainKey,
  },
  'forget-others-keys': {
    about: 'what other nodes answered under idempotency keys is not taken over',
    oneIn: 1,
    foundBy: 'AppliedOnce',
    amongNodes: { world: 'complete', rounds: [['cut'], ['cut']] },
    inStore: forgetOthersKeys,
  },
  'ack-early': {
    about: 'a write is acknowledged and shown before it is flushed',
    oneIn: 1,
    foundBy: 'NothingBeforeFlush',
    under: { world: 'complete', rounds: [['hold flush'], ['lose power']] },
    isFlushIgnored: true,
  },
} as const satisfies Record<string, PlantedBug>;

export type BugName = keyof typeof PLANTED_BUGS;
export const BUG_NAMES = Object.keys(PLANTED_BUGS) as readonly BugName[];

export function bugOf(name: BugName): PlantedBug {
  return PLANTED_BUGS[name];
}

/** Every n-th time, by a count of its own. */
export function everyNth(oneIn: number, note: (what: string) => void): Strikes {
  let count = 0;
  return (what) => {
    count += 1;
    if (count % oneIn > 0) return false;
    note(what);
    return true;
  };
}

export function plantInView(view: WritableView, bug: PlantedBug, strikes: Strikes): void {
  if (bug.inDelivery === leak) {
    view.onDurable((changes) => {
      lately.push(...changes);
      lately.splice(0, lately.length - LATELY_MAX);
    });
  }
  bug.inView?.(view, strikes);
}

export function plantInFeed(feed: Feed, bug: PlantedBug, strikes: Strikes): Feed {
  const codecs = new Map<Codec, Codec>();
  const codecOf = (codec: Codec) => {
    const known = codecs.get(codec) ?? plantInCodec(codec, bug, strikes);
    codecs.set(codec, known);
    return known;
  };
  return {
    watch: (request, outlet) => {
      const asked = bug.inRequest?.(request, strikes) ?? request;
      return feed.watch({ ...asked, codec: codecOf(asked.codec) }, outlet);
    },
    counts: () => feed.counts(),
    delivered: () => feed.delivered(),
    sendAway: () => feed.sendAway(),
    close: () => feed.close(),
  };
}

function plantInCodec(codec: Codec, { inControl, inDelivery }: PlantedBug, strikes: Strikes): Codec {
  const changed = (changes: readonly Change[], positions: readonly string[]) =>
    inDelivery?.({ changes, positions }, strikes) ?? { changes, positions };
  return {
    ...codec,
    live: (changes, positions, context) => {
      const delivery = changed(changes, positions);
      return codec.live(delivery.changes, delivery.positions, context);
    },
    behind: (memberId, changes, positions, context) => {
      const delivery = changed(changes, positions);
      return codec.behind(memberId, delivery.changes, delivery.positions, context);
    },
    control: (memberId, event, context) => {
      const told = inControl === undefined ? event : inControl(event, strikes);
      return told === undefined ? Buffer.alloc(0) : codec.control(memberId, told, context);
    },
  };
}

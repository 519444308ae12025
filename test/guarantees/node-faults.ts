/**
 * Every fault that a run with several nodes around one Redis can order: to a node and its clients' network (`faults.ts`), to the Redis
 * (`redis-faults.ts`), and to the connections between a node and the Redis.
 *
 * Invariant: as in `faults.ts`, a fault that returns has bitten.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultProxy } from '../support/fault-proxy.ts';
import { type FaultKind, type Faults, NETWORK_KINDS, SERVER_KINDS, WHOLE_KINDS } from './faults.ts';
import { NETWORK_FAULTS, untilConnected, whileBad } from './network-faults.ts';
import type { Random } from './random.ts';
import { count } from './recorder.ts';
import { REDIS_FAULTS, type RedisFault, type RedisFaults } from './redis-faults.ts';
import type { Counts } from './result.ts';

export interface NodesScene {
  readonly nodes: readonly { readonly faults: Faults; readonly link: FaultProxy }[];
  readonly redis: RedisFaults;
  readonly random: Random;
}

type Link = (scene: NodesScene, link: FaultProxy, random: Random) => Promise<number>;

/** The Redis ends the connection, and the node does not hear of it. */
async function halfOpen({ redis }: NodesScene, link: FaultProxy, random: Random): Promise<number> {
  await untilConnected(link);
  return whileBad(link, async () => {
    const bitten = link.nextBite();
    link.set({ kind: 'half-open' });
    await redis.killConnections();
    await bitten;
    await sleep(random.between(100, 900));
    link.heal();
  });
}

const LINK_FAULTS = {
  'link: cut': (_, link, random) => NETWORK_FAULTS.cut(link, random),
  'link: cut mid-frame': (_, link, random) => NETWORK_FAULTS['cut mid-frame'](link, random),
  'link: lose answers': (_, link, random) => NETWORK_FAULTS['lose answers'](link, random),
  'link: stall': (_, link, random) => NETWORK_FAULTS.stall(link, random),
  'link: slow': (_, link, random) => NETWORK_FAULTS.slow(link, random),
  'link: delay': (_, link, random) => NETWORK_FAULTS.delay(link, random),
  'link: half-open': halfOpen,
} as const satisfies Record<string, Link>;

/** To one node, its disk or its clock. */
export const NODE_KINDS = [...SERVER_KINDS, ...WHOLE_KINDS];
export const LINK_KINDS = Object.keys(LINK_FAULTS) as readonly (keyof typeof LINK_FAULTS)[];
export const REDIS_KINDS = Object.keys(REDIS_FAULTS) as readonly RedisFault[];
/** Between a node and its clients. */
export const CLIENT_KINDS = NETWORK_KINDS;

export type NodesFault = FaultKind | RedisFault | keyof typeof LINK_FAULTS;

const isLink = (kind: NodesFault): kind is keyof typeof LINK_FAULTS => kind in LINK_FAULTS;
const isRedis = (kind: NodesFault): kind is RedisFault => kind in REDIS_FAULTS;

export class NodeFaults {
  readonly #scene: NodesScene;
  readonly #counts = new Map<string, number>();
  readonly #bites = new Map<string, number>();

  constructor(scene: NodesScene) {
    this.#scene = scene;
  }

  get counts(): Counts {
    return summed([Object.fromEntries(this.#counts), ...this.#scene.nodes.map(({ faults }) => faults.counts)]);
  }

  get bites(): Counts {
    return summed([Object.fromEntries(this.#bites), ...this.#scene.nodes.map(({ faults }) => faults.bites)]);
  }

  /** All of them at once; at most one is to the Redis, one to a link, one to a node and one to the clients' network. */
  async cause(kinds: readonly NodesFault[]): Promise<void> {
    const { nodes, random } = this.#scene;
    await Promise.all(
      kinds.map((kind) => {
        const own = random.fork();
        const { faults, link } = own.pick(nodes);
        if (isLink(kind)) return this.#counted(kind, LINK_FAULTS[kind](this.#scene, link, own));
        if (isRedis(kind)) return this.#counted(kind, REDIS_FAULTS[kind](this.#scene.redis, own));
        return faults.cause([kind]);
      }),
    );
  }

  async #counted(kind: NodesFault, running: Promise<number>): Promise<void> {
    try {
      const bites = await running;
      count(this.#counts, kind);
      this.#bites.set(kind, (this.#bites.get(kind) ?? 0) + bites);
    } catch (cause) {
      throw new Error(`the fault "${kind}" did not bite: ${String(cause)}`, { cause });
    }
  }
}

function summed(all: readonly Counts[]): Counts {
  const sums = new Map<string, number>();
  for (const counts of all)
    for (const [name, more] of Object.entries(counts)) sums.set(name, (sums.get(name) ?? 0) + more);
  return Object.fromEntries([...sums].sort());
}

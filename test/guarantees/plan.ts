/** What a seed stands for: the world, and the faults of each round. The rest is drawn within the run. */
import { type FaultKind, NETWORK_KINDS, SERVER_KINDS, WHOLE_KINDS, WORKER_KINDS } from './faults.ts';
import { CLIENT_KINDS, LINK_KINDS, NODE_KINDS, type NodesFault, REDIS_KINDS } from './node-faults.ts';
import { Random } from './random.ts';

/**
 * `complete`: the history holds the whole run, so a position is always resumed, and wholly. `narrow`: a small window, tombstones
 * that are collected soon and clocks that jump beyond the history's age; positions may be conflated, or reset as collected.
 */
export type World = 'complete' | 'narrow';

/** Faults that come at once: one, or one to the server while the network is bad. */
export type Round = readonly FaultKind[];

export interface Plan {
  readonly world: World;
  /** 0: one process writes and serves. */
  readonly workers: number;
  readonly rounds: readonly Round[];
}

const WORKERS_CHANCE = 0.35;
const TOGETHER_CHANCE = 0.4;

export function planOf(seed: number, rounds: number): Plan {
  const random = new Random(seed);
  const world = random.chance(0.5) ? 'complete' : 'narrow';
  const workers = random.chance(WORKERS_CHANCE) ? 2 : 0;
  const toServer = workers === 0 ? SERVER_KINDS : [...SERVER_KINDS, ...WORKER_KINDS];
  const alone = [...toServer, ...NETWORK_KINDS, ...WHOLE_KINDS];
  const round = (): Round =>
    random.chance(TOGETHER_CHANCE) ? [random.pick(NETWORK_KINDS), random.pick(toServer)] : [random.pick(alone)];
  return { world, workers, rounds: Array.from({ length: rounds }, round) };
}

export interface NodesPlan {
  readonly world: World;
  readonly rounds: readonly (readonly NodesFault[])[];
}

const PLACES = [REDIS_KINDS, LINK_KINDS, NODE_KINDS, CLIENT_KINDS] as const;
const HEALTHY_CHANCE = 0.55;

/** Several nodes around one Redis: in each round at most one fault to the Redis, to a link, to a node, and to the clients' network. */
export function nodesPlanOf(seed: number, rounds: number): NodesPlan {
  const random = new Random(seed);
  const world = random.chance(0.5) ? 'complete' : 'narrow';
  const round = (): readonly NodesFault[] => {
    const kinds = PLACES.flatMap((place) => (random.chance(HEALTHY_CHANCE) ? [] : [random.pick<NodesFault>(place)]));
    return kinds.length > 0 ? kinds : [random.pick<NodesFault>(random.pick(PLACES))];
  };
  return { world, rounds: Array.from({ length: rounds }, round) };
}

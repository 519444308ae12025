/** What a seed stands for: the world, and the faults of each round. The rest is drawn within the run. */
import { FAULT_KINDS, type FaultKind, NETWORK_KINDS, SERVER_KINDS } from './faults.ts';
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
  readonly rounds: readonly Round[];
}

const TOGETHER_CHANCE = 0.4;

export function planOf(seed: number, rounds: number): Plan {
  const random = new Random(seed);
  const world = random.chance(0.5) ? 'complete' : 'narrow';
  const round = (): Round =>
    random.chance(TOGETHER_CHANCE)
      ? [random.pick(NETWORK_KINDS), random.pick(SERVER_KINDS)]
      : [random.pick(FAULT_KINDS)];
  return { world, rounds: Array.from({ length: rounds }, round) };
}

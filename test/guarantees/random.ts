import type { Random } from '../../server/src/verify/random.ts';

export { Random, seedFrom } from '../../server/src/verify/random.ts';

/** The same choices in another order. */
export function shuffle<T>(random: Random, choices: readonly T[]): readonly T[] {
  const left = [...choices];
  return choices.map(() => left.splice(random.between(0, left.length - 1), 1)[0] as T);
}

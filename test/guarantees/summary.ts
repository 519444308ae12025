/** What many runs came to, in one table. */
import type { Counts, RunResult } from './result.ts';

const GROUPS = {
  faults: 'faults',
  bites: 'what they did: connections broken, pieces held back, commits refused',
  harms: 'what watchers did to themselves',
  routes: 'acknowledged writes by route',
  refusals: 'other answers to writes',
  resets: 'resets by reason',
  conflations: 'conflations by cause',
  counts: 'in all',
  violations: 'violations by checker',
} as const;

type Group = keyof typeof GROUPS;
const BROKEN_MAX = 100;

export class Summary {
  readonly #firstSeed: number;
  readonly #sums: Readonly<Record<Group, Map<string, number>>>;
  readonly #brokenSeeds: number[] = [];
  #runs = 0;
  #broken = 0;

  constructor(firstSeed: number) {
    this.#firstSeed = firstSeed;
    this.#sums = {
      faults: new Map(),
      bites: new Map(),
      harms: new Map(),
      routes: new Map(),
      refusals: new Map(),
      resets: new Map(),
      conflations: new Map(),
      counts: new Map(),
      violations: new Map(),
    };
  }

  get isClean(): boolean {
    return this.#broken === 0 && this.#sums.violations.size === 0;
  }

  add(result: RunResult): void {
    this.#runs += 1;
    const violations: Record<string, number> = {};
    for (const { guarantee } of result.violations) violations[guarantee] = (violations[guarantee] ?? 0) + 1;
    const groups: Readonly<Record<Group, Counts>> = { ...result, violations };
    for (const group of Object.keys(GROUPS) as readonly Group[]) {
      const sums = this.#sums[group];
      for (const [name, count] of Object.entries(groups[group])) sums.set(name, (sums.get(name) ?? 0) + count);
    }
  }

  /** A run that did not come to its end. */
  addBroken(seed: number): void {
    this.#runs += 1;
    this.#broken += 1;
    if (this.#brokenSeeds.length < BROKEN_MAX) this.#brokenSeeds.push(seed);
  }

  object(minutes: number): Readonly<Record<string, unknown>> {
    const sums = Object.entries(this.#sums).map(([group, counts]) => [group, Object.fromEntries([...counts].sort())]);
    return {
      firstSeed: this.#firstSeed,
      minutes: Math.round(minutes * 10) / 10,
      runs: this.#runs,
      broken: this.#broken,
      brokenSeeds: this.#brokenSeeds,
      faultsTotal: this.#total('faults'),
      violationsTotal: this.#total('violations'),
      ...Object.fromEntries(sums),
    };
  }

  text(minutes: number): string {
    const faults = this.#total('faults');
    const perMinute = Math.round(faults / minutes);
    const lines = [
      '',
      `${this.#runs} runs from seed ${this.#firstSeed} in ${minutes.toFixed(1)} minutes: ${faults} faults (${perMinute} a minute)`,
    ];
    for (const [group, title] of Object.entries(GROUPS)) {
      const sums = [...this.#sums[group as Group]].sort();
      if (sums.length > 0) lines.push(title, ...sums.map(([name, count]) => `  ${name.padEnd(22)} ${count}`));
    }
    lines.push(`runs that did not come to their end ${this.#broken}`, `violations ${this.#total('violations')}`, '');
    return lines.join('\n');
  }

  #total(group: Group): number {
    return [...this.#sums[group].values()].reduce((sum, count) => sum + count, 0);
  }
}

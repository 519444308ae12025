/**
 * What one watcher was told, connection after connection, and the position it comes back with: the newest, or now and then an older
 * one of its own, or one that belongs to another filter.
 */
import { type Filter, parsePosition } from '@latchkey/client';
import type { Observation } from '../../server/src/verify/history.ts';
import { sightOf, type WireChange } from '../../server/src/verify/sight.ts';
import type { Random } from './random.ts';
import { count, type Recorder } from './recorder.ts';
import type { Target } from './target.ts';

export interface Choice {
  readonly filter: Filter;
  readonly matches: (key: string) => boolean;
}

export interface WatcherOptions extends Choice {
  readonly name: string;
  readonly target: Target;
  readonly recorder: Recorder;
  /** How often, per change, it cuts its own connection. */
  readonly cutChance?: number;
  /** How often, per change, it stops reading until some more writes were acknowledged. */
  readonly pauseChance?: number;
  /** How often it comes back from an older position of its own. */
  readonly replayChance?: number;
  /** Filters it comes back with now and then, with the position that it has for the one before. */
  readonly others?: readonly Choice[];
}

const SWITCH_CHANCE = 0.3;
const MARK_EVERY = 40;
const MARKS_MAX = 100;

interface Mark {
  /** Observations up to and with the one that gave the position. */
  readonly count: number;
  readonly position: string;
}

export class WatchRecord {
  readonly random: Random;
  position: string | undefined;
  isEnded = false;
  isPaused = false;
  heardAtMs = 0;
  #choice: Choice;
  #observations: Observation[];
  /** The position it holds is of another filter, which the server has to say before anything else. */
  #isResetOwed = false;
  /** It was told `synced` since it connected. */
  #isSynced = false;
  #switches = 0;
  #marks: Mark[] = [];
  #sought: string | undefined;
  readonly #options: WatcherOptions;
  readonly #found = Promise.withResolvers<void>();
  readonly #seen = new Set<string>();

  constructor(options: WatcherOptions) {
    this.#options = options;
    this.#choice = options;
    this.#observations = options.recorder.watch(options.name, options.matches);
    this.random = options.target.random.fork();
  }

  get filter(): Filter {
    return this.#choice.filter;
  }

  /** The newest few things it was told. */
  get last(): readonly Observation[] {
    return this.#observations.slice(-4);
  }

  connected(): void {
    const { others = [], replayChance = 0, target } = this.#options;
    if (!target.isStopping && this.position !== undefined) {
      if (others.length > 0 && !this.#isResetOwed && this.random.chance(SWITCH_CHANCE))
        this.#switch(this.random.pick(others));
      else if (this.random.chance(replayChance)) this.#replay();
    }
    this.#observations.push({
      kind: 'connected',
      from: this.position === undefined || this.#isResetOwed ? undefined : parsePosition(this.position),
    });
    this.#isSynced = false;
    this.heardAtMs = performance.now();
  }

  change(change: WireChange, position: string | undefined): void {
    this.heardAtMs = performance.now();
    const sight = sightOf(change);
    this.#options.recorder.saw(this.#options.name, sight.offset);
    if (this.#isResetOwed) this.#fault('FilterResets', `${change.version} came before the reset for another filter`);
    this.#observations.push({
      kind: 'change',
      sight,
      position: position === undefined ? undefined : parsePosition(position),
    });
    if (position !== undefined) this.#hold(position);
    if (sight.content !== undefined && sight.key.endsWith('.end')) this.#seen.add(sight.content);
    this.#settle();
  }

  /** A position without any news, such as the end of a WebSocket frame. */
  reach(position: string): void {
    this.#observations.push({ kind: 'progress', position: parsePosition(position) });
    this.#hold(position);
  }

  control(kind: string, data: Readonly<Record<string, string>>): void {
    this.heardAtMs = performance.now();
    if (kind === 'bye') this.#observations.push({ kind });
    else if (kind === 'conflated') {
      count(this.#options.recorder.conflations, this.#isSynced ? 'too slow' : 'away for too long');
      const [from, to] = [parsePosition(data.from as string), parsePosition(data.to as string)];
      this.#observations.push({ kind, from, to });
    } else if (kind === 'opened' || kind === 'reset') {
      if (kind === 'reset') this.#reset(data.reason as string);
      const snapshotTo = data.snapshotTo === undefined ? undefined : parsePosition(data.snapshotTo);
      this.#observations.push({ kind, position: parsePosition(data.position as string), snapshotTo });
    } else if (kind === 'synced' || kind === 'progress') {
      if (this.#isResetOwed) this.#fault('FilterResets', `${kind} came before the reset for another filter`);
      if (kind === 'synced') this.#isSynced = true;
      this.#observations.push({ kind, position: parsePosition(data.position as string) });
    }
    if (data.position !== undefined) this.#hold(data.position);
  }

  /** Resolves when a put of an `.end` key with that value was delivered. */
  seek(content: string): Promise<void> {
    this.#sought = content;
    this.#settle();
    return this.#found.promise;
  }

  #hold(position: string): void {
    this.position = position;
    const newest = this.#marks.at(-1)?.count ?? 0;
    if (this.#isResetOwed || this.#observations.length - newest < MARK_EVERY) return;
    this.#marks.push({ count: this.#observations.length, position });
    if (this.#marks.length > MARKS_MAX) this.#marks.splice(this.random.between(0, MARKS_MAX - 1), 1);
  }

  /** Forgets what came after an older position; what it saw there must stay true all the same. */
  #replay(): void {
    if (this.#marks.length === 0) return;
    const index = this.random.between(0, this.#marks.length - 1);
    const mark = this.#marks[index] as Mark;
    const { recorder } = this.#options;
    for (const each of this.#observations.splice(mark.count))
      if (each.kind === 'change') recorder.seen.push(each.sight);
    this.#marks.length = index + 1;
    this.position = mark.position;
    count(recorder.harms, 'older position');
  }

  #switch(choice: Choice): void {
    const { name, recorder } = this.#options;
    if (choice.filter === this.#choice.filter) return;
    count(recorder.harms, 'other filter');
    recorder.abandon(this.#observations);
    this.#choice = choice;
    this.#switches += 1;
    this.#observations = recorder.watch(`${name}, filter ${this.#switches}`, choice.matches);
    this.#isResetOwed = true;
    this.#marks = [];
  }

  #reset(reason: string): void {
    const { recorder } = this.#options;
    count(recorder.resets, reason);
    const hasCause = (this.#isResetOwed && reason === 'filter') || (recorder.maySkip && reason === 'collected');
    if (!hasCause) this.#fault('ResetHasCause', `reset for ${reason}, coming from ${this.position}`);
    this.#isResetOwed = false;
    this.#marks = [];
  }

  #fault(guarantee: string, message: string): void {
    this.#options.recorder.violations.push({ guarantee, to: this.#options.name, message });
  }

  #settle(): void {
    if (this.#sought !== undefined && this.#seen.has(this.#sought)) this.#found.resolve();
  }
}

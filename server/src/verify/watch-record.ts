/**
 * What one watcher holds across its connections and windows: its position, its filter, and the record of what it was told. It
 * also decides, by its seed, when to cut itself, to rest, and to come back with another filter.
 *
 * Invariant: `#position` is that of the last event taken in, so whatever comes next was owed and nothing was asked for twice.
 */
import { type Filter, parsePosition } from '@latchkey/client';
import type { Clock } from '../shared/clock.ts';
import type { Deployment } from './deployment.ts';
import type { Observation } from './history.ts';
import type { Lag } from './lag.ts';
import type { Random } from './random.ts';
import { sightOf, type WireChange } from './sight.ts';
import type { RecordedWatch, Window } from './window.ts';

/** A filter of a window, and what it means, said without the server's code. */
export interface Shape {
  readonly about: string;
  readonly filter: Filter;
  readonly matches: (key: string) => boolean;
}

export interface Temper {
  /** Per event taken in. */
  readonly cutChance: number;
  /** Per chunk or frame. */
  readonly restChance: number;
  readonly refilterChance: number;
}

export interface WatchRecordParts {
  readonly name: string;
  readonly temper: Temper;
  readonly hasValues: boolean;
  readonly deployment: Deployment;
  readonly random: Random;
  readonly clock: Clock;
  readonly lag: Lag;
}

type Control = Readonly<Record<string, string | undefined>>;

const REST_MAX_MS = 400;

export class WatchRecord {
  readonly #parts: WatchRecordParts;
  #window: Window | undefined;
  #shapes: readonly Shape[] = [];
  #shapeIndex = 0;
  #watch: RecordedWatch | undefined;
  #position: string | undefined;
  #owesReset = false;
  /** What was sent from here on was watched live; what came before may have waited for this watcher itself. */
  #liveSinceMs = Number.POSITIVE_INFINITY;
  #endVersion: string | undefined;

  constructor(parts: WatchRecordParts, shapeIndex: number) {
    this.#parts = parts;
    this.#shapeIndex = shapeIndex;
  }

  get name(): string {
    return this.#parts.name;
  }

  get hasValues(): boolean {
    return this.#parts.hasValues;
  }

  get position(): string | undefined {
    return this.#position;
  }

  get filter(): Filter {
    return this.#shape.filter;
  }

  /** Version of the last change seen of the window's end key. */
  get endVersion(): string | undefined {
    return this.#endVersion;
  }

  get #shape(): Shape {
    return this.#shapes[this.#shapeIndex % this.#shapes.length] as Shape;
  }

  /** A new window: another filter, under which the position held is worth nothing. */
  enter(window: Window, shapes: readonly Shape[]): void {
    this.#window = window;
    this.#shapes = shapes;
    this.#endVersion = undefined;
    this.#begin();
  }

  connecting(): void {
    const { random, temper } = this.#parts;
    // Not before the last change of filter was answered: a second one could lead back to the filter that the position is of.
    const mayRefilter = this.#position !== undefined && !this.#owesReset && this.#window?.isClosing === false;
    if (mayRefilter && random.chance(temper.refilterChance)) {
      if (this.#watch !== undefined) this.#watch.isWhole = false;
      this.#shapeIndex += 1;
      this.#begin();
    }
    if (this.#window !== undefined) this.#window.connections += 1;
    this.#liveSinceMs = Number.POSITIVE_INFINITY;
    const from = this.#position === undefined || this.#owesReset ? undefined : parsePosition(this.#position);
    this.#observe({ kind: 'connected', from });
  }

  /** `position` is undefined inside a WebSocket frame, whose end has one for all of its changes. */
  change(change: WireChange, position: string | undefined): void {
    this.#expectReset(`a change of ${change.key}`);
    const sight = sightOf(change);
    this.#observe({
      kind: 'change',
      sight,
      position: position === undefined ? undefined : parsePosition(position),
    });
    if (position !== undefined) this.#position = position;
    if (change.key === this.#window?.endKey) this.#endVersion = change.version;
    if (this.#window !== undefined) this.#window.deliveries += 1;
    if (!this.hasValues && sight.content !== undefined) this.#fault('Filtered', `${change.key} came with a value`);
    this.#measure(sight.content);
  }

  /** A position without any news, such as the end of a WebSocket frame. */
  reach(position: string): void {
    this.#observe({ kind: 'progress', position: parsePosition(position) });
    this.#position = position;
  }

  control(kind: string, data: Control): void {
    const position = () => parsePosition(String(data.position), 'position');
    if (kind === 'bye') this.#observe({ kind });
    else if (kind === 'conflated') {
      this.#observe({ kind, from: parsePosition(String(data.from)), to: parsePosition(String(data.to)) });
    } else if (kind === 'opened' || kind === 'reset') {
      if (kind === 'reset') this.#owesReset = false;
      if (data.epoch !== undefined) this.#parts.deployment.sawEpoch(data.epoch);
      const snapshotTo = data.snapshotTo === undefined ? undefined : parsePosition(data.snapshotTo);
      this.#observe({ kind, position: position(), snapshotTo });
    } else if (kind === 'synced' || kind === 'progress') {
      if (kind === 'synced') this.#expectReset('synced');
      this.#observe({ kind, position: position() });
    }
    if (kind === 'synced') this.#liveSinceMs = this.#parts.clock.monotonicMs();
    if (kind === 'behind') this.#liveSinceMs = Number.POSITIVE_INFINITY;
    if (data.position !== undefined) this.#position = data.position;
  }

  wantsCut(): boolean {
    return this.#window?.isClosing === false && this.#parts.random.chance(this.#parts.temper.cutChance);
  }

  /** Milliseconds for which nothing is to be read now; mostly 0. */
  restMs(): number {
    const { random, temper } = this.#parts;
    if (this.#window?.isClosing !== false || !random.chance(temper.restChance)) return 0;
    return random.between(20, REST_MAX_MS);
  }

  #begin(): void {
    const { about } = this.#shape;
    this.#watch = this.#window?.watch(`${this.name} (${about})`, this.#shape.matches, this.hasValues);
    this.#owesReset = this.#position !== undefined;
  }

  #observe(observation: Observation): void {
    this.#watch?.observations.push(observation);
    if (this.#window !== undefined) this.#window.observations += 1;
  }

  #expectReset(what: string): void {
    if (!this.#owesReset) return;
    this.#owesReset = false;
    this.#fault('Filtered', `position ${this.#position} of another filter was answered with ${what}, not with reset`);
  }

  #fault(guarantee: string, message: string): void {
    this.#window?.faults.push({ guarantee, to: this.#watch?.name ?? this.name, message });
  }

  // A watcher that rests is late by its own will.
  #measure(content: string | undefined): void {
    if (content === undefined || this.#parts.temper.restChance > 0) return;
    const sentAtMs = this.#window?.sentAtMs.get(content);
    if (sentAtMs === undefined || sentAtMs < this.#liveSinceMs) return;
    this.#parts.lag.record(this.#parts.clock.monotonicMs() - sentAtMs);
  }
}

import type { Shape, Temper } from './watch-record.ts';
import { type Transport, watchBySocket, watchBySse } from './watchers.ts';
import type { Window } from './window.ts';

export interface Role {
  readonly transport: Transport;
  readonly about: string;
  readonly temper: Temper;
  readonly hasValues: boolean;
  /** Where in a window's shapes it begins. */
  readonly shape: number;
}

const STEADY = { cutChance: 0.0005, restChance: 0, refilterChance: 0 } as const satisfies Temper;
const CUTTING = { cutChance: 0.01, restChance: 0, refilterChance: 0.15 } as const satisfies Temper;
const RESTING = { cutChance: 0.003, restChance: 0.03, refilterChance: 0.1 } as const satisfies Temper;

const sse = { transport: watchBySse, about: 'sse', hasValues: true, temper: STEADY, shape: 0 } as const;
const websocket = { transport: watchBySocket, about: 'websocket', hasValues: true, temper: STEADY, shape: 0 } as const;

/** The n-th watcher takes the n-th, and round again. */
export const ROLES: readonly Role[] = [
  sse,
  websocket,
  { ...sse, about: 'sse, cutting', temper: CUTTING, shape: 1 },
  { ...websocket, about: 'websocket, cutting', temper: CUTTING, shape: 1 },
  { ...sse, about: 'sse, slow', temper: RESTING, shape: 2 },
  { ...websocket, about: 'websocket, slow', temper: RESTING, shape: 3 },
  { ...sse, about: 'sse, values=false', temper: CUTTING, shape: 3, hasValues: false },
  { ...websocket, about: 'websocket, values=false', temper: CUTTING, shape: 0, hasValues: false },
];

/** A pattern that matches what begins with that text. */
export function globOf(text: string): string {
  return text.replaceAll(/[*?[\]\\^]/g, (special) => `\\${special}`);
}

/** Filters over a window's keys; every one of them matches its end key. */
export function shapesOf(window: Window): readonly Shape[] {
  const { endKey, prefix } = window;
  const chosen = new Set([`${prefix}a.0`, `${prefix}a.7`, `${prefix}b.7`, endKey]);
  const shapeOf = (about: string, filter: Shape['filter'], matches: Shape['matches']): Shape => ({
    about,
    filter,
    matches,
  });
  return [
    shapeOf('whole prefix', { prefixes: [prefix] }, (key) => key.startsWith(prefix)),
    shapeOf('prefix a.', { prefixes: [`${prefix}a.`] }, (key) => key.startsWith(`${prefix}a.`)),
    shapeOf('exact keys', { keys: [...chosen] }, (key) => chosen.has(key)),
    shapeOf('pattern ?.*[1e]*', { patterns: [`${globOf(prefix)}?.*[1e]*`] }, (key) => {
      return key.startsWith(prefix) && /[1e]/.test(key.slice(prefix.length + 2));
    }),
  ];
}

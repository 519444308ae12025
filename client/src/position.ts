import { LatchkeyError } from './error.ts';
import { quote, type Version } from './version.ts';

/** How far a stream is in one partition. With `base`, a snapshot runs: it has sent up to `offset` and ends at `base`. */
export interface Component {
  readonly offset: number;
  readonly base?: number;
}

/**
 * A place in the log: the offset reached in each partition (the index; one left out is 0). `filterHash` ties a watch's position to
 * its filter and grants: under another filter it is answered with `reset`.
 */
export interface Position {
  readonly epoch: string;
  readonly components: readonly Component[];
  readonly filterHash?: string;
}

const POSITION = /^([0-9a-z]{4,13})\.([0-9,~-]{1,2400})(?:;([0-9a-z]{6}))?$/;
const COMPONENT = /^(?:([0-9]{1,2})-)?([0-9]{1,16})(?:~([0-9]{1,16}))?$/;

/** `epoch.17`, `epoch.17~900;a1b2c3`, `epoch.0-17~900,1-204`. */
export function formatPosition(position: Position): string {
  const { components, epoch, filterHash } = position;
  const single = components.length === 1;
  let text = `${epoch}.`;
  for (let partition = 0; partition < components.length; partition += 1) {
    const { offset, base } = components[partition] as Component;
    if (partition > 0) text += ',';
    if (!single) text += `${partition}-`;
    text += base === undefined ? offset : `${offset}~${base}`;
  }
  return filterHash === undefined ? text : `${text};${filterHash}`;
}

/** @throws LatchkeyError `position-invalid` */
export function parsePosition(text: string, field = 'from'): Position {
  const fail = () =>
    new LatchkeyError('position-invalid', `${field} takes a position like k3x9.1042, but got ${quote(text)}.`, {
      field,
    });
  const match = POSITION.exec(text);
  if (match === null) throw fail();
  const components: Component[] = [];
  const parts = (match[2] as string).split(',');
  for (const part of parts) {
    const piece = COMPONENT.exec(part);
    if (piece === null || (piece[1] === undefined && parts.length > 1)) throw fail();
    const partition = Number(piece[1] ?? 0);
    const offset = Number(piece[2]);
    const base = piece[3] === undefined ? undefined : Number(piece[3]);
    // Each partition once, in their order: which of two would be meant?
    if (
      partition > 63 ||
      partition < components.length ||
      !Number.isSafeInteger(offset) ||
      (base !== undefined && !Number.isSafeInteger(base))
    )
      throw fail();
    while (components.length <= partition) components.push({ offset: 0 });
    components[partition] = base === undefined ? { offset } : { offset, base };
  }
  const position = { epoch: match[1] as string, components };
  return match[3] === undefined ? position : { ...position, filterHash: match[3] };
}

/** The lower bound that a version stands for: nothing is asked of the other partitions. */
export function positionOf(version: Version): Position {
  const components = Array.from({ length: version.partition + 1 }, (_, partition) => ({
    offset: partition === version.partition ? version.offset : 0,
  }));
  return { epoch: version.epoch, components };
}

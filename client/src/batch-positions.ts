import type { Change } from './entry.ts';
import { type Component, formatPosition, parsePosition } from './position.ts';
import { parseVersion } from './version.ts';

const SINGLE = /^([^.]+\.)[0-9]+((?:~[0-9]+)?(?:;.*)?)$/;

/**
 * The position after each change of a WebSocket frame, which names only the one after its last: whoever is cut in the middle of a
 * frame goes on in its middle. `before` is the position before the frame. Each is at or before the true one, never after it.
 * @throws LatchkeyError `position-invalid`
 */
export function batchPositions(before: string, changes: readonly Change[], after: string): readonly string[] {
  const single = SINGLE.exec(after);
  if (single !== null) {
    // One partition: of its position only the offset moves.
    const [, head, tail] = single as unknown as [string, string, string];
    return changes.map(({ version }) => head + version.slice(version.lastIndexOf('.') + 1) + tail);
  }
  const end = parsePosition(after);
  // `start` and `now` are followed by `opened`, which has a position, before any change.
  const components: Component[] = [...parsePosition(before).components];
  return changes.map(({ version }, index) => {
    const { partition, offset } = parseVersion(version);
    while (components.length <= partition) components.push({ offset: 0 });
    components[partition] = { ...components[partition], offset };
    // Of the epoch that is now: offsets go on through epochs, and an older one may have ended before this change.
    return index === changes.length - 1 ? after : formatPosition({ ...end, components });
  });
}

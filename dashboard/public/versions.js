/** Which of two is later: versions of one key, and keys in the order of the store. */

/**
 * The offset of `epoch.offset` or `epoch.partition-offset`. Offsets of a partition grow on over epochs, and a key stays in its
 * partition, so offsets alone order the versions of a key.
 * @param {string} version
 */
export function offsetOf(version) {
  return Number(
    version
      .slice(version.lastIndexOf('.') + 1)
      .split('-')
      .at(-1),
  );
}

/** @param {string} version @param {string | undefined} other */
export function isNewer(version, other) {
  return other === undefined || offsetOf(version) > offsetOf(other);
}

/** By bytes of UTF-8, which is by code points; `<` would go by UTF-16 units. @param {string} a @param {string} b */
export function compareKeys(a, b) {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  let at = 0;
  while (at < length && a.charCodeAt(at) === b.charCodeAt(at)) at += 1;
  if (at === length) return a.length - b.length;
  const [left, right] = [a.charCodeAt(at), b.charCodeAt(at)];
  // Halves of what lies beyond the basic plane come after everything in it.
  const isLeftHigh = left >= 0xd800 && left <= 0xdfff;
  const isRightHigh = right >= 0xd800 && right <= 0xdfff;
  if (isLeftHigh !== isRightHigh) return isLeftHigh ? 1 : -1;
  return left - right;
}

/** Time as every stage sees it; tests and the guarantee harness inject their own. */
export interface Clock {
  /** Microseconds since 1970 by the wall clock. May jump; only the log makes a `now` of it that never goes back. */
  nowMicros(): number;
  /** Milliseconds on a clock that never jumps, for waits and rates. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  nowMicros: () => Math.round((performance.timeOrigin + performance.now()) * 1000 + wallShift()),
  monotonicMs: () => performance.now(),
};

// performance.timeOrigin is fixed at start; the wall clock may be set later, and a process may sleep with its machine.
function wallShift(): number {
  const driftMs = Date.now() - (performance.timeOrigin + performance.now());
  return Math.abs(driftMs) > 5 ? driftMs * 1000 : 0;
}

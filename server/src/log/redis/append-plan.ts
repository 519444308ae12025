/** What the append script and those who call it have to agree on. */

/** Of each key, in the order of KEYS, the plan holds so many bytes: `planKey` and `struct.unpack` agree on them. */
export const PLAN_FORMAT = '<BI4I4I4I4I4c16d';
export const PLAN_BYTES = 45;

/** What a plan says of a key. */
export const PLAN_OPS = { none: 0, set: 1, hash: 2, wholeHash: 3, expiry: 4, unlink: 5 } as const;

/** Names for the script of the keys that it has in front of the tables' and the users'. */
export const OWN_KEYS = ['head', 'epochs', 'changes', 'marks', 'heads', 'index', 'writers', 'fences', 'turn'] as const;

/** A step that was decided longer ago by the log's time is refused, so none is moved up by more. */
export const DECIDED_AGO_MAX_MICROS = 1_000_000;

/** Arguments before the variable ones. */
export const FIXED_ARGUMENTS = 30;

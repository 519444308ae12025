/** Classes of events that tell of strings and hashes: generic commands, strings, hashes, expiries, evictions. */
const CLASSES = ['g', '$', 'h', 'x', 'e'] as const;
/** The form of them that is subscribed to: the event's channel, with the key as its message. */
const FORM = 'E';
/** Stands for all classes but key misses. */
const ALL = 'A';

/**
 * What `notify-keyspace-events` has to be so that nothing is missed, and everything stays on that was: undefined where it is enough
 * as it is.
 */
export function neededFlags(flags: string): string | undefined {
  const missing = [FORM, ...CLASSES].filter((flag) => !flags.includes(flag) && !(flags.includes(ALL) && flag !== FORM));
  if (missing.length === 0) return undefined;
  const all = `${flags}${missing.join('')}`;
  // Last, for those who type it into a shell, where `$hxe` would be a variable.
  return all.includes('$') ? `${all.replaceAll('$', '')}$` : all;
}

/** `keymiss` tells that somebody looked for a key that is not there, which reading it again would cause again; `new` comes beside the event of the write. */
const TELLS_NOTHING = new Set(['keymiss', 'new']);

/** The event of a channel such as `__keyevent@0__:set`; undefined where it says nothing of a key's value. */
export function eventOf(channel: string): string | undefined {
  const event = channel.slice(channel.indexOf(':') + 1);
  return TELLS_NOTHING.has(event) ? undefined : event;
}

/** The pattern of every event of a database. */
export function eventPattern(database: number): string {
  return `__keyevent@${database}__:*`;
}

/** The database that a place's URL names. */
export function databaseOf(url: string): number {
  return Number(new URL(url).pathname.slice(1)) || 0;
}

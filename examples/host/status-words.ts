import type { WatchStatus } from '@latchkey/client';

/** A mirror's status, as a page shows it. */
export const STATUS_WORDS = {
  idle: 'Connecting',
  connecting: 'Connecting',
  'catching-up': 'Catching up',
  live: 'Live',
  waiting: 'Reconnecting',
  closed: 'Refused',
} as const satisfies Record<WatchStatus['kind'], string>;

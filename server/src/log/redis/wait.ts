import { LatchkeyError } from '@latchkey/client';

/** Whether the time passed; false: it was given up. */
export function waited(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((done) => {
    const settle = (hasPassed: boolean) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      done(hasPassed);
    };
    const onAbort = () => settle(false);
    const timer = setTimeout(() => settle(true), ms);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

/** What is told to who waits when the server stops. */
export function closing(): LatchkeyError {
  return new LatchkeyError('closing', 'The server is stopping; come back, to this or another node.', { retryAfter: 1 });
}

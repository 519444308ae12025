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

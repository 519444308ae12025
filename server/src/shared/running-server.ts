export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Of `host:port`, an IPv6 address in brackets, as `resp.listen` has it. */
export function listenAddressOf(text: string): ListenAddress {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port: Number(text.slice(at + 1)) };
}

export interface RunningServer {
  /** Where it listens, e.g. `http://127.0.0.1:23333`. */
  readonly url: string;
  /** Where it listens for Redis clients; undefined where it does not. */
  readonly resp: { readonly host: string; readonly port: number } | undefined;
  /** Finishes writes, tells watchers to come back, and releases everything. Idempotent. */
  close(): Promise<void>;
  /** Resolves once everything is released. */
  readonly closed: Promise<void>;
}

/** Closes once, however often it is told to. */
export function running(
  { host, port }: ListenAddress,
  resp: { address(): ListenAddress } | undefined,
  stop: () => Promise<void>,
): RunningServer {
  let closing: Promise<void> | undefined;
  const closed = Promise.withResolvers<void>();
  const close = async () => {
    await stop();
    closed.resolve();
  };
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    resp: resp?.address(),
    close: () => {
      closing ??= close();
      return closing;
    },
    closed: closed.promise,
  };
}

import type { FastifyRequest } from 'fastify';
import type { Gateway } from './gateway.ts';
import { principalOf } from './principal.ts';
import { WebsocketConnection } from './websocket-connection.ts';
import { WebsocketPeers } from './websocket-peers.ts';

export interface WebsocketOptions {
  /** Each connection is pinged every 30 times this. Default 1,000 ms. */
  readonly turnMs?: number;
}

/** `/v1/watch` with an upgrade: watches and commands over one connection, in JSON text frames. */
export function makeWebsocketGateway(options: WebsocketOptions = {}): Gateway {
  return {
    name: 'websocket',
    register(http, core) {
      const { feed, limits } = core.settings;
      const peers = new WebsocketPeers({
        http,
        clock: core.clock,
        reportFault: core.reportFault,
        frameBytesMax: limits.bodyBytesMax,
        silenceMaxMs: feed.stalledTimeoutMs,
        ...options,
      });
      http.onUpgrade('/v1/watch', (request, socket, head) => {
        // A handshake is a request that fastify never saw; who sent it is told from the raw one.
        const principal = principalOf({ raw: request } as FastifyRequest);
        const isStopping = () => peers.isStopping;
        peers.accept(request, socket, head, (ws, raw) => {
          return new WebsocketConnection(core, ws, raw, principal, isStopping);
        });
      });
    },
  };
}

/** Gateways on a real listener, over the real feed and a log in memory: what their tests and the conformance suite talk to. */
import assert from 'node:assert/strict';
import { type CheckedFeed, makeFeed } from '../../server/src/feed/live-feed.ts';
import type { Core, Gateway } from '../../server/src/gateways/gateway.ts';
import { type HttpListener, makeHttp } from '../../server/src/gateways/http.ts';
import { silentLogger } from '../../server/src/shared/logger.ts';
import { type MemoryCore, memoryCore, type SettingsPart } from './memory-core.ts';
import type { MemoryLog } from './memory-log.ts';

export class GatewayServer {
  readonly core: MemoryCore;
  readonly feed: CheckedFeed;
  readonly http: HttpListener;
  readonly url: string;
  readonly port: number;

  private constructor(core: MemoryCore, feed: CheckedFeed, http: HttpListener, port: number) {
    this.core = core;
    this.feed = feed;
    this.http = http;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  /** On a free port of loopback; ends with the scope, which also checks that the feed kept its invariants and nothing failed. */
  static async start(
    scope: { after(done: () => unknown): void },
    gateways: readonly Gateway[],
    part: SettingsPart = {},
    more: Partial<Core> = {},
  ): Promise<GatewayServer> {
    const draft = memoryCore(part, more);
    // The feed reads the view of the log that the core has; both are made by the core.
    const feed = makeFeed({
      view: draft.log.view,
      access: draft.access,
      settings: draft.settings,
      clock: draft.clock,
      node: draft.log.node,
      logger: silentLogger,
      reportFault: draft.reportFault,
      random: () => 0.5,
    });
    const core: MemoryCore = { ...draft, feed };
    const http = await makeHttp(core, gateways);
    const { port } = await http.listen();
    const server = new GatewayServer(core, feed, http, port);
    scope.after(() => server.#stop());
    return server;
  }

  get log(): MemoryLog {
    return this.core.log;
  }

  async #stop(): Promise<void> {
    this.feed.checkInvariants();
    await this.feed.close();
    await this.http.close(0);
    assert.deepEqual(this.core.faults, []);
  }
}

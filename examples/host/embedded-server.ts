/**
 * A Latchkey server of the example's own, in a process of its own, started by its bin as users start it. When it dies it is started
 * again on the same data and port, so that pages can be seen to come back.
 *
 * Invariant: at most one process runs; after `close` none does, and none is started.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const BIN = join(import.meta.dirname, '../../server/bin/latchkey.js');
const RESTART_AFTER_MS = 3000;
const STOP_MAX_MS = 10_000;
const LINES_MAX = 20;

export interface EmbeddedServerOptions {
  readonly data: string;
  /** 0: any free one, kept from then on. */
  readonly port: number;
  readonly say: (line: string) => void;
}

export class EmbeddedServer {
  readonly #options: EmbeddedServerOptions;
  readonly #closing = new AbortController();
  #port: number;
  #child: ChildProcess | undefined;
  #lines: string[] = [];

  private constructor(options: EmbeddedServerOptions) {
    this.#options = options;
    this.#port = options.port;
  }

  /** @throws Error with what the server printed, where it does not start */
  static async start(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
    const server = new EmbeddedServer(options);
    process.once('exit', () => server.#child?.kill('SIGKILL'));
    await server.#spawn();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MAX_MS);
    await gone;
    clearTimeout(timer);
  }

  async #spawn(): Promise<void> {
    const { data } = this.#options;
    const args = ['serve', '--port', String(this.#port), '--data', data, '--log-format', 'json'];
    const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    this.#lines = [];
    const gone = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    const url = await Promise.race([this.#listening(child), gone.then(() => undefined)]);
    if (url === undefined) {
      throw new Error(`The server did not start with --data ${data}. It printed:\n${this.#lines.join('\n')}`);
    }
    this.#port = Number(new URL(url).port);
    void gone.then(([code, signal]) => this.#died(code ?? signal ?? 'unknown'));
  }

  #listening(child: ChildProcess): Promise<string> {
    return new Promise((resolve) => {
      for (const input of [child.stdout, child.stderr]) {
        if (input === null) continue;
        createInterface({ input }).on('line', (line) => {
          this.#lines.push(line);
          if (this.#lines.length > LINES_MAX) this.#lines.shift();
          const url = /"url":"(http:\/\/[^"]+)"/.exec(line)?.[1];
          if (url !== undefined) resolve(url);
        });
      }
    });
  }

  async #died(how: number | string): Promise<void> {
    const { say } = this.#options;
    try {
      // Said after the wait: Ctrl-C in a terminal reaches the server too, and then there is nothing to say.
      await sleep(RESTART_AFTER_MS, undefined, { signal: this.#closing.signal });
      await this.#spawn();
      say(`The server was gone (${how}); it is started again on the same data, as process ${this.pid}.`);
    } catch (error) {
      if (!this.#closing.signal.aborted)
        say(`${error instanceof Error ? error.message : String(error)}\nStop with Ctrl-C.`);
    }
  }
}

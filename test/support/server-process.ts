/**
 * A real server in a process of its own, started as users start it. It can be killed at any instant and started again on the
 * same data and port; whatever it printed is kept for the failure message.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const BIN = join(ROOT, 'server/bin/latchkey.js');
/** Several nodes start at once, beside whatever else the machine does. */
const START_TIMEOUT_MS = 60_000;
const LINES_MAX = 2000;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ServerOptions {
  /** Kept when the server is disposed of; absent: a temporary one, removed at the end. */
  readonly data?: string;
  /** 0 (default): any free port, kept across `restart`. */
  readonly port?: number;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The command to run instead of the repository's own bin. */
  readonly command?: readonly string[];
  /** Opens a channel to the process, for commands that listen on one, and takes what it says there. */
  readonly onMessage?: (message: unknown) => void;
  /** Each line that it prints. */
  readonly onLine?: (line: string) => void;
}

/** Something with `after`: the context of a test. */
export interface Scope {
  after(done: () => unknown): void;
}

/** An empty folder that goes when the test ends. */
export function temporaryFolder(scope: Scope, name = 'test'): string {
  const path = mkdtempSync(join(tmpdir(), `latchkey-${name}-`));
  scope.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** The environment without what the developer's shell may say to a Latchkey server. */
export function cleanEnvironment(env: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) =>
      !/^(LATCHKEY_|PORT$|LOG_LEVEL$|CLUSTER$|NODE_OPTIONS$|NODE_TEST|npm_|CI$|NO_COLOR$|FORCE_COLOR$|NODE_DISABLE_COLORS$)/.test(
        name,
      ),
  );
  return { ...Object.fromEntries(kept), ...env };
}

/** Servers that still run when a test file ends, for instance because it failed early, end with it. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class ServerProcess {
  readonly data: string;
  readonly #options: ServerOptions;
  readonly #ownsData: boolean;
  #child: ChildProcess | undefined;
  #exit: Promise<Exit> = Promise.resolve({ code: 0, signal: null });
  #lines: string[] = [];
  #port: number;
  #url = '';

  private constructor(options: ServerOptions) {
    this.#options = options;
    this.#ownsData = options.data === undefined;
    this.data = options.data ?? mkdtempSync(join(tmpdir(), 'latchkey-data-'));
    this.#port = options.port ?? 0;
  }

  /** Resolves when the server answers `/ready` with 200. With a scope, the server ends with the test. */
  static async start(options: ServerOptions = {}, scope?: Scope): Promise<ServerProcess> {
    const server = new ServerProcess(options);
    scope?.after(() => server.dispose());
    try {
      await server.#spawn();
    } catch (error) {
      await server.dispose();
      throw error;
    }
    return server;
  }

  get url(): string {
    return this.#url;
  }

  get port(): number {
    return this.#port;
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  /** The newest lines of both outputs. */
  get output(): string {
    return this.#lines.join('\n');
  }

  /** The JSON lines among the output. */
  get records(): readonly Readonly<Record<string, unknown>>[] {
    return this.#lines.flatMap((line) => {
      try {
        const value: unknown = JSON.parse(line);
        return typeof value === 'object' && value !== null ? [value as Record<string, unknown>] : [];
      } catch {
        return [];
      }
    });
  }

  /** Resolves when the process is gone, by whatever cause. */
  get exited(): Promise<Exit> {
    return this.#exit;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Over the channel of `onMessage`; resolves when it was handed over, or the process is gone. */
  async tell(message: Readonly<Record<string, unknown>>): Promise<void> {
    await new Promise<void>((done) => {
      if (this.#child?.connected !== true) done();
      else this.#child.send(message, () => done());
    });
  }

  /** kill -9; resolves when the process is gone. */
  async kill(): Promise<Exit> {
    this.signal('SIGKILL');
    return this.#exit;
  }

  /** As an operator stops it; resolves with the exit. */
  async stop(): Promise<Exit> {
    this.signal('SIGTERM');
    return this.#exit;
  }

  /** Starts again on the same data and port; the process must be gone. */
  async restart(): Promise<void> {
    await this.#spawn();
  }

  async dispose(): Promise<void> {
    await this.kill();
    if (this.#ownsData) rmSync(this.data, { recursive: true, force: true });
  }

  async #spawn(): Promise<void> {
    const command = this.#options.command ?? [process.execPath, BIN];
    const serve = ['serve', '--port', String(this.#port), '--data', this.data, '--log-format', 'json'];
    const [program, ...args] = [...command, ...serve, ...(this.#options.args ?? [])] as [string, ...string[]];
    const child = spawn(program, args, {
      env: cleanEnvironment(this.#options.env),
      stdio: this.#options.onMessage === undefined ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'pipe', 'pipe', 'ipc'],
      cwd: this.data,
    });
    this.#child = child;
    if (this.#options.onMessage !== undefined) child.on('message', this.#options.onMessage);
    running.add(child);
    child.once('exit', () => running.delete(child));
    this.#exit = once(child, 'exit').then(([code, signal]) => ({ code, signal }) as Exit);
    this.#lines = [];
    const deadline = AbortSignal.timeout(START_TIMEOUT_MS);
    try {
      this.#url = await this.#listening(child, deadline);
      this.#port = Number(new URL(this.#url).port);
      await this.#ready(deadline);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`The server did not get ready (${reason}). It printed:\n${this.output}`, { cause: error });
    }
  }

  #listening(child: ChildProcess, deadline: AbortSignal): Promise<string> {
    return new Promise((done, fail) => {
      deadline.addEventListener('abort', () => fail(new Error(`no line with a url within ${START_TIMEOUT_MS} ms`)));
      child.once('exit', (code, signal) => fail(new Error(`exit ${code ?? signal}`)));
      for (const stream of [child.stdout, child.stderr]) {
        let rest = '';
        stream?.setEncoding('utf8');
        stream?.on('data', (text: string) => {
          const lines = (rest + text).split('\n');
          rest = lines.pop() as string;
          this.#lines.push(...lines);
          if (this.#lines.length > LINES_MAX) this.#lines.splice(0, this.#lines.length - LINES_MAX);
          for (const line of lines) {
            this.#options.onLine?.(line);
            const url = /"url":"(http:\/\/[^"]+)"/.exec(line)?.[1];
            if (url !== undefined) done(url.replace(/\/$/, ''));
          }
        });
      }
    });
  }

  async #ready(deadline: AbortSignal): Promise<void> {
    while (!deadline.aborted) {
      const response = await fetch(`${this.#url}/ready`, { signal: deadline });
      await response.arrayBuffer();
      if (response.status === 200) return;
      await sleep(10);
    }
    throw new Error(`/ready did not answer 200 within ${START_TIMEOUT_MS} ms`);
  }

  /** CPU time of the process so far, user and system together, in microseconds. Linux only. */
  cpuMicros(): number {
    return cpuMicrosOf(this.pid);
  }

  /** Resident memory in bytes. Linux only. */
  residentBytes(): number {
    const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'));
    return Number(match?.[1] ?? Number.NaN) * 1024;
  }
}

const TICKS_PER_SECOND = 100;

/** User and system time of a process in microseconds, from /proc; its granularity is 10 ms. */
export function cpuMicrosOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / TICKS_PER_SECOND;
}

export interface Finished extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end; killed after `timeoutMs`, which then shows as its signal. */
export async function runToEnd(
  command: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly cwd?: string;
    readonly input?: string;
    readonly timeoutMs?: number;
    readonly uid?: number;
  } = {},
): Promise<Finished> {
  const [program, ...args] = command as [string, ...string[]];
  const child = spawn(program, args, {
    env: cleanEnvironment(options.env),
    cwd: options.cwd ?? tmpdir(),
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? 20_000,
    killSignal: 'SIGKILL',
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.on('error', () => {}); // The program may end without reading its input.
  child.stdin.end(options.input ?? '');
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout, stderr };
}

/** The repository's own bin, run to its end. */
export function runLatchkey(args: readonly string[], options: Parameters<typeof runToEnd>[1] = {}): Promise<Finished> {
  return runToEnd([process.execPath, BIN, ...args], options);
}

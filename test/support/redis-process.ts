/**
 * A redis-server (or sentinel) of the test's own, in a process and a folder that go with the test. It can be stopped, killed, frozen
 * and started again, with what it had on disk or without, always on the same port.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@redis/client';
import { requireRedis } from '../../scripts/service/redis.ts';
import { selfSigned } from './certificate.ts';
import { freePort } from './free-port.ts';
import type { Exit, Scope } from './server-process.ts';

export interface RedisOptions {
  /** Absent: the machine's own. */
  readonly program?: string;
  readonly appendonly?: boolean;
  /** `notify-keyspace-events`. */
  readonly notifications?: string;
  /** Of the user `default`. */
  readonly password?: string;
  /** Lines of the ACL file, such as `user reader on >secret ~* &* +@read`. */
  readonly acl?: readonly string[];
  /** Listens for TLS alone, with a certificate of its own (`ca`). */
  readonly tls?: boolean;
  readonly memoryBytesMax?: number;
  /** Such as `noeviction`, `allkeys-lru`. */
  readonly memoryPolicy?: string;
  readonly replicaOf?: RedisProcess;
  /** More lines of redis.conf. */
  readonly config?: readonly string[];
  /** Absent: any free one. */
  readonly port?: number;
  readonly isSentinel?: boolean;
}

/** What `command` and replicas log in as, whatever the ACL says of others. */
const ADMIN = { user: 'test-admin', password: 'test-admin' };

const START_TIMEOUT_MS = 10_000;
const START_ATTEMPTS_MAX = 5;
const CONNECT_TIMEOUT_MS = 2000;
const OUTPUT_LENGTH_MAX = 20_000;

/** Processes that still run when a test file ends, for instance because it failed early, end with it. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

function connect(process: RedisProcess) {
  const own = createClient({
    ...(process.needsLogin ? { username: ADMIN.user, password: ADMIN.password } : {}),
    disableOfflineQueue: true,
    socket: {
      host: '127.0.0.1',
      port: process.port,
      connectTimeout: CONNECT_TIMEOUT_MS,
      reconnectStrategy: false,
      ...(process.ca === undefined ? {} : { tls: true as const, ca: process.ca }),
    },
  });
  own.on('error', () => {}); // The command that it breaks rejects.
  return own;
}

/** What Redis answers; a map is a null-prototype object. */
export type RedisReply =
  | string
  | number
  | boolean
  | null
  | readonly RedisReply[]
  | { readonly [name: string]: RedisReply };

export class RedisProcess {
  readonly folder: string;
  /** PEM of the certificate to trust, with `tls`. */
  readonly ca: string | undefined;
  readonly #options: RedisOptions;
  #port: number;
  #child: ChildProcess | undefined;
  #exit: Promise<Exit> = Promise.resolve({ code: 0, signal: null });
  #output = '';
  #client: ReturnType<typeof connect> | undefined;

  private constructor(options: RedisOptions, port: number) {
    this.#options = options;
    this.#port = port;
    this.folder = mkdtempSync(join(tmpdir(), 'latchkey-redis-'));
    mkdirSync(join(this.folder, 'data'));
    if (options.tls === true) {
      const { cert, key } = selfSigned(Date.now());
      writeFileSync(join(this.folder, 'cert.pem'), cert);
      writeFileSync(join(this.folder, 'key.pem'), key);
      this.ca = cert;
    }
  }

  /** Resolves when it answers PING. It ends with the scope. */
  static async start(options: RedisOptions, scope: Scope): Promise<RedisProcess> {
    const redis = new RedisProcess(options, options.port ?? (await freePort()));
    scope.after(() => redis.dispose());
    for (let attempt = 1; ; attempt += 1) {
      redis.#configure();
      try {
        await redis.#spawn();
        return redis;
      } catch (error) {
        const isTaken = redis.output.includes('Address already in use') && options.port === undefined;
        if (!isTaken || attempt === START_ATTEMPTS_MAX) throw error;
        redis.#port = await freePort();
      }
    }
  }

  get port(): number {
    return this.#port;
  }

  /** With the password of `default` in it, if it has one. */
  get url(): string {
    const { password } = this.#options;
    const login = password === undefined ? '' : `:${encodeURIComponent(password)}@`;
    return `${this.ca === undefined ? 'redis' : 'rediss'}://${login}127.0.0.1:${this.#port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  /** What it printed last. */
  get output(): string {
    return this.#output;
  }

  get needsLogin(): boolean {
    return this.#options.password !== undefined || this.#options.acl !== undefined;
  }

  /** How a sentinel or replica logs in to it, as words of a configuration. */
  get login(): readonly string[] {
    return this.needsLogin ? [`auth-user ${ADMIN.user}`, `auth-pass ${ADMIN.password}`] : [];
  }

  /** Resolves when the process is gone, by whatever cause. */
  get exited(): Promise<Exit> {
    return this.#exit;
  }

  /** Any command, by a user who may do everything. Rejects when the connection breaks, and connects anew the next time. */
  async command(...args: readonly (string | number)[]): Promise<RedisReply> {
    if (this.#client?.isReady !== true) {
      this.#client?.destroy();
      this.#client = undefined;
      const own = connect(this);
      await own.connect();
      this.#client = own;
    }
    return this.#client.sendCommand<RedisReply>(args.map(String));
  }

  /** One figure or word of INFO. */
  async info(name: string): Promise<string> {
    const text = String(await this.command('INFO', 'everything'));
    const found = new RegExp(`^${name}:(.*)\\r?$`, 'm').exec(text)?.[1];
    if (found === undefined) throw new Error(`INFO of ${this.url} has no ${name}:\n${text}`);
    return found.trim();
  }

  /** As an operator stops it: it writes down what it keeps. */
  async stop(): Promise<Exit> {
    this.resume();
    this.#child?.kill('SIGTERM');
    return this.#exit;
  }

  /** kill -9; resolves when the process is gone. */
  async kill9(): Promise<Exit> {
    this.#child?.kill('SIGKILL');
    return this.#exit;
  }

  /** It keeps its connections and answers nothing (SIGSTOP). */
  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /**
   * Stops it if it runs, and starts it on the same port. With its data, one that runs writes all of it down first; of one that was
   * killed there is what was on its disk. What it was told by CONFIG REWRITE stays; a sentinel without data forgets what it learnt.
   */
  async restart({ withData }: { readonly withData: boolean }): Promise<void> {
    if (this.#isRunning()) {
      this.resume();
      if (withData && this.#options.isSentinel !== true) await this.command('SAVE');
      await (withData ? this.stop() : this.kill9());
    }
    if (!withData) {
      rmSync(join(this.folder, 'data'), { recursive: true });
      mkdirSync(join(this.folder, 'data'));
      if (this.#options.isSentinel === true) this.#configure();
    }
    await this.#spawn();
  }

  async dispose(): Promise<void> {
    this.#client?.destroy();
    await this.kill9();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }

  get #file(): string {
    return join(this.folder, 'redis.conf');
  }

  #isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  #configure(): void {
    const {
      acl = [],
      appendonly = false,
      memoryBytesMax,
      memoryPolicy,
      notifications,
      password,
      replicaOf,
    } = this.#options;
    const lines = ['bind 127.0.0.1', 'protected-mode no', `dir ${join(this.folder, 'data')}`];
    const listen = this.ca === undefined ? [`port ${this.#port}`] : ['port 0', `tls-port ${this.#port}`];
    lines.push(...listen);
    if (this.ca !== undefined) {
      const file = (name: string) => join(this.folder, name);
      lines.push(`tls-cert-file ${file('cert.pem')}`, `tls-key-file ${file('key.pem')}`);
      lines.push(`tls-ca-cert-file ${file('cert.pem')}`, 'tls-auth-clients no', 'tls-replication yes');
    }
    if (this.needsLogin) {
      const users = [...acl, `user ${ADMIN.user} on >${ADMIN.password} ~* &* +@all`];
      if (password !== undefined) {
        // As a hash, because a password may have spaces.
        const hash = createHash('sha256').update(password).digest('hex');
        users.push(`user default on #${hash} ~* &* +@all`);
      }
      writeFileSync(join(this.folder, 'users.acl'), `${users.join('\n')}\n`);
      lines.push(`aclfile ${join(this.folder, 'users.acl')}`);
    }
    if (this.#options.isSentinel !== true) {
      lines.push('save ""', `appendonly ${appendonly ? 'yes' : 'no'}`, 'repl-diskless-sync-delay 0');
      if (notifications !== undefined) lines.push(`notify-keyspace-events ${notifications}`);
      if (memoryBytesMax !== undefined) lines.push(`maxmemory ${memoryBytesMax}`);
      if (memoryPolicy !== undefined) lines.push(`maxmemory-policy ${memoryPolicy}`);
      if (replicaOf !== undefined) lines.push(`replicaof 127.0.0.1 ${replicaOf.port}`);
      if (this.needsLogin || replicaOf?.needsLogin === true) {
        lines.push(`masteruser ${ADMIN.user}`, `masterauth ${ADMIN.password}`);
      }
    }
    writeFileSync(this.#file, `${[...lines, ...(this.#options.config ?? [])].join('\n')}\n`);
  }

  async #spawn(): Promise<void> {
    this.#output = '';
    const mode = this.#options.isSentinel === true ? ['--sentinel'] : [];
    const child = spawn(this.#options.program ?? requireRedis(), [this.#file, ...mode], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    running.add(child);
    this.#exit = new Promise((done) => {
      child.once('error', () => done({ code: -1, signal: null }));
      child.once('exit', (code, signal) => done({ code, signal }));
    });
    void this.#exit.then(() => running.delete(child));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output = `${this.#output}${text}`.slice(-OUTPUT_LENGTH_MAX);
      });
    }
    await this.#answers();
  }

  async #answers(): Promise<void> {
    const deadline = AbortSignal.timeout(START_TIMEOUT_MS);
    let reason = 'it did not start';
    while (!deadline.aborted && this.#isRunning()) {
      try {
        await this.command('PING');
        return;
      } catch (error) {
        reason = error instanceof Error ? error.message : String(error);
        await sleep(10);
      }
    }
    throw new Error(`Redis does not answer on ${this.url} (${reason}). It printed:\n${this.#output}`);
  }
}

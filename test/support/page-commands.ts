/**
 * The commands that a page of the documents shows, with what it says they print. In a fenced block without a language a line that
 * begins with `$ ` is a command, and what follows is its output; a block without commands goes on with the output of the last
 * watch. Blocks with a language (`sh`, `html`, `yaml`) are not run.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleanEnvironment, ROOT, type ServerProcess } from './server-process.ts';
import { Waiting } from './waiting.ts';

export interface PageStep {
  readonly command: string;
  /** Of a watch: all that it has printed by then. */
  readonly expected: string;
  /** `watch` goes on until it is cut; `goes-on` is a later block of its output. */
  readonly kind: 'command' | 'watch' | 'goes-on';
}

const WAIT_MS = 10_000;
const WATCH = /\bcurl -N\b|-- (\S+ \S+ )?watch\b/;

/** @throws Error where a block is neither a command nor the output of a watch */
export function stepsOf(page: string): readonly PageStep[] {
  const text = readFileSync(join(ROOT, page), 'utf8');
  const blocks = [...text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].filter(([, language]) => language === '');
  const steps: PageStep[] = [];
  for (const [, , block] of blocks) {
    const shown = (block as string).trimEnd();
    if (shown.startsWith('$ ')) {
      steps.push(...shown.slice(2).split('\n$ ').map(stepOf));
      continue;
    }
    const watch = steps.findLast(({ kind }) => kind !== 'command');
    if (watch === undefined) throw new Error(`${page}: neither a command nor the output of a watch: ${shown}`);
    steps.push({ command: watch.command, expected: `${watch.expected}\n\n${shown}`, kind: 'goes-on' });
  }
  return steps;
}

function stepOf(shown: string): PageStep {
  const [command] = /^(?:.*\\\n)*.*/.exec(shown) as unknown as [string];
  return { command, expected: shown.slice(command.length + 1), kind: WATCH.test(command) ? 'watch' : 'command' };
}

/** What differs from run to run is not compared: epochs, nodes, times, rates, the wait before a retry, the
 * width of columns. */
export function masked(text: string): string {
  return text
    .replace(/\b[0-9a-z]{8}(?=\.(\d+-)?\d)/g, 'EPOCH')
    .replace(/"(epoch|node)":"[^"]+"/g, '"$1":"…"')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replace(/^retry: \d+$/gm, 'retry: …')
    .replace(/127\.0\.0\.1:\d+/g, 'ADDRESS')
    .replace(/[\d.]+ s \([\d,]+ rows\/s\)/g, '… s (… rows/s)')
    .replace(/[ \t]+/g, ' ')
    .replace(/ $/gm, '')
    .trim();
}

interface Watch {
  readonly waiting: Waiting;
  printed: string;
}

/** Runs the steps of one page, in their order, against one server. */
export class PageShell {
  readonly #server: ServerProcess;
  readonly #epoch: string;
  readonly #shownEpoch: string;
  readonly #running = new Set<ChildProcess>();
  readonly #watches = new Map<string, Watch>();

  private constructor(server: ServerProcess, epoch: string, steps: readonly PageStep[]) {
    this.#server = server;
    this.#epoch = epoch;
    this.#shownEpoch = /\b([0-9a-z]{8})\.\d/.exec(steps.map(({ expected }) => expected).join('\n'))?.[1] ?? epoch;
  }

  static async open(server: ServerProcess, steps: readonly PageStep[]): Promise<PageShell> {
    const { log } = (await (await fetch(`${server.url}/v1/status`)).json()) as { log: { epoch: string } };
    return new PageShell(server, log.epoch, steps);
  }

  /** What it printed, masked; of a watch, as much as the page shows. */
  async run({ command, expected, kind }: PageStep): Promise<string> {
    if (kind === 'command') return masked(await this.#toEnd(this.#start(command)));
    if (kind === 'watch') this.#watches.set(command, this.#watch(command));
    const watch = this.#watches.get(command) as Watch;
    const { length } = masked(expected);
    // Whole lines only: half a time is not masked yet.
    const printed = () => masked(watch.printed.slice(0, watch.printed.lastIndexOf('\n') + 1));
    await watch.waiting.until('all that the page shows', () => printed().length >= length);
    return printed().slice(0, length);
  }

  close(): void {
    for (const { pid } of this.#running) if (pid !== undefined) process.kill(-pid, 'SIGKILL');
    this.#running.clear();
  }

  #start(command: string): ChildProcess {
    const own = command.replaceAll('23333', String(this.#server.port)).replaceAll(this.#shownEpoch, this.#epoch);
    const child = spawn('bash', ['-c', own], {
      cwd: ROOT,
      detached: true, // A group of its own: npm and what it starts are cut together.
      env: cleanEnvironment({ LATCHKEY_SERVER: this.#server.url }),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#running.add(child);
    child.once('exit', () => this.#running.delete(child));
    child.stdout?.setEncoding('utf8');
    child.stderr?.setEncoding('utf8');
    return child;
  }

  /** A command that fails is shown with what it said about that. */
  async #toEnd(child: ChildProcess): Promise<string> {
    let printed = '';
    let complaint = '';
    child.stdout?.on('data', (text: string) => {
      printed += text;
    });
    child.stderr?.on('data', (text: string) => {
      complaint += text;
    });
    const [code] = await once(child, 'close');
    return code === 0 ? printed : `${printed}\nexit ${code}: ${complaint}`;
  }

  #watch(command: string): Watch {
    const child = this.#start(command);
    const ended = () => (child.exitCode === null ? undefined : `${command} ended with ${child.exitCode}`);
    const waiting = new Waiting(WAIT_MS, () => watch.printed, ended);
    const watch: Watch = { waiting, printed: '' };
    child.stderr?.resume();
    child.stdout?.on('data', (text: string) => {
      watch.printed += text;
      waiting.wake();
    });
    child.once('exit', () => waiting.wake());
    return watch;
  }
}

/** The worker processes of a server, as `/v1/status` names them, and how to wait for what becomes of them. */
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import type { Random } from './random.ts';
import { until } from './waits.ts';

interface WorkerStatus {
  readonly number: number;
  readonly pid: number;
  readonly answers: boolean;
}

const STATUS_TIMEOUT_MS = 3000;

/** By a connection of its own: one that is kept may lead to a process that is frozen. */
function askStatus(url: string): Promise<{ readonly workers?: readonly WorkerStatus[] }> {
  return new Promise((resolve, reject) => {
    const asked = request(`${url}/v1/status`, { agent: false, timeout: STATUS_TIMEOUT_MS }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (more: string) => {
        text += more;
      });
      response.on('error', reject).on('end', () => {
        if (response.statusCode === 200) resolve(JSON.parse(text) as { workers?: readonly WorkerStatus[] });
        else reject(new Error(`/v1/status was answered ${response.statusCode}`));
      });
    });
    asked.on('timeout', () => asked.destroy(new Error(`/v1/status was not answered in ${STATUS_TIMEOUT_MS} ms`)));
    asked.on('error', reject).end();
  });
}

/** None where the one that was asked is gone or frozen itself. */
async function workersOf(url: string): Promise<readonly WorkerStatus[]> {
  try {
    return (await askStatus(url)).workers ?? [];
  } catch {
    return [];
  }
}

/** One that serves. */
export async function pickWorker(url: string, random: Random): Promise<WorkerStatus> {
  let serving: readonly WorkerStatus[] = [];
  await until(
    async () => {
      const workers = await workersOf(url);
      serving = workers.filter(({ answers }) => answers);
      return workers.length > 0 && serving.length === workers.length;
    },
    'moment in which every worker served',
    STATUS_TIMEOUT_MS * 4,
  );
  return random.pick(serving);
}

/** Resolves when all serve and that one is not among them. */
export function untilReplaced(url: string, pid: number, timeoutMs: number): Promise<void> {
  const isReplaced = async () => {
    const workers = await workersOf(url);
    return workers.length > 0 && workers.every((worker) => worker.answers && worker.pid !== pid);
  };
  return until(isReplaced, `worker in the place of ${pid}`, timeoutMs);
}

export function endIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It was replaced.
  }
}

/** Linux only. */
export function isStopped(pid: number): boolean {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
}

/** Reads this machine: /proc on Linux, and what `node:os` has of it elsewhere, which is all but the network's counters. */
import { readFile, statfs } from 'node:fs/promises';
import { cpus, freemem, hostname, release, totalmem, type } from 'node:os';
import { parse } from 'node:path';
import type { Gauge, Host, Traffic } from './facts.ts';

export interface Reading {
  readonly key: string;
  readonly value: Gauge | Traffic | Host;
}

interface Busy {
  readonly busy: number;
  readonly total: number;
}

interface Counters {
  readonly received: number;
  readonly sent: number;
}

/** Rates are differences: the first reading has none. */
export class Machine {
  #cores: readonly Busy[] = [];
  #links = new Map<string, Counters>();
  #readAtMs = performance.now();

  async read(): Promise<readonly Reading[]> {
    const nowMs = performance.now();
    const seconds = Math.max(0.001, (nowMs - this.#readAtMs) / 1000);
    this.#readAtMs = nowMs;
    const host: Host = { name: hostname(), system: `${type()} ${release()}` };
    return [
      { key: 'host', value: host },
      ...this.#cpu(),
      { key: 'memory.used', value: await memory() },
      { key: 'disk.root', value: await disk() },
      ...(await this.#network(seconds)),
    ];
  }

  #cpu(): readonly Reading[] {
    const cores = cpus().map(({ times: { idle, irq, nice, sys, user } }) => {
      const busy = irq + nice + sys + user;
      return { busy, total: busy + idle };
    });
    const before = this.#cores;
    this.#cores = cores;
    return cores.flatMap(({ busy, total }, at) => {
      const was = before[at];
      if (was === undefined || total <= was.total) return [];
      const value = (busy - was.busy) / (total - was.total);
      return [{ key: `cpu.${at}`, value: { value, max: 1, unit: 'part' } satisfies Gauge }];
    });
  }

  async #network(seconds: number): Promise<readonly Reading[]> {
    const links = await linkCounters();
    const before = this.#links;
    this.#links = links;
    return [...links].flatMap(([name, { received, sent }]) => {
      const was = before.get(name);
      if (was === undefined || received < was.received || sent < was.sent) return [];
      const value: Traffic = {
        receivedPerS: Math.round((received - was.received) / seconds),
        sentPerS: Math.round((sent - was.sent) / seconds),
      };
      return [{ key: `network.${name}`, value }];
    });
  }
}

// What can be had without swapping counts as free; `freemem` does not know of it.
async function memory(): Promise<Gauge> {
  const available = /^MemAvailable:\s+(\d+) kB$/m.exec(await linuxFile('/proc/meminfo'))?.[1];
  const free = available === undefined ? freemem() : Number(available) * 1024;
  return { value: totalmem() - free, max: totalmem(), unit: 'bytes' };
}

async function disk(): Promise<Gauge> {
  const { bavail, blocks, bsize } = await statfs(parse(process.cwd()).root);
  return { value: (blocks - bavail) * bsize, max: blocks * bsize, unit: 'bytes' };
}

async function linkCounters(): Promise<Map<string, Counters>> {
  const lines = (await linuxFile('/proc/net/dev')).split('\n');
  return new Map(
    lines.flatMap((line): [string, Counters][] => {
      const match = /^\s*(\S+):\s*(.*)$/.exec(line);
      const numbers = (match?.[2] ?? '').split(/\s+/).map(Number);
      const [name, received, sent] = [match?.[1], numbers[0], numbers[8]];
      return name === undefined || received === undefined || sent === undefined ? [] : [[name, { received, sent }]];
    }),
  );
}

/** Empty on systems that have no such file. */
async function linuxFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return '';
  }
}

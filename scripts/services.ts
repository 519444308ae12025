/**
 * What the tests need beside Node: how each service is found, got and, where it is a process, started and stopped. A service is
 * one entry of `SERVICES`; a test that needs it imports the entry's support module, which is how the runner knows.
 *
 *   scripts/services chromium nginx                 gets them and prints the environment that the tests read
 *   scripts/services redis [--replica] [--sentinel] gets it and runs one until Ctrl-C
 */
import { chromium } from './service/chromium.ts';
import { proxy } from './service/proxy.ts';
import { python } from './service/python.ts';
import { redis } from './service/redis.ts';
import type { RunningService, Service } from './service/service.ts';

export const SERVICES: readonly Service[] = [chromium, proxy('nginx'), proxy('haproxy'), python, redis];

/** The services that `names` lists. @throws Error naming the ones that exist. */
export function servicesNamed(names: readonly string[]): readonly Service[] {
  return names.map((name) => {
    const service = SERVICES.find((candidate) => candidate.name === name);
    if (service === undefined) {
      throw new Error(
        `There is no service ${JSON.stringify(name)}; there are: ${SERVICES.map((each) => each.name).join(', ')}.`,
      );
    }
    return service;
  });
}

/** Starts all, or none: what was already started is stopped when a later one fails. */
export async function startServices(services: readonly Service[]): Promise<RunningService> {
  const running: RunningService[] = [];
  const stop = async () => {
    for (const service of running.splice(0).reverse()) await service.stop();
  };
  try {
    for (const service of services) running.push(await service.start());
  } catch (error) {
    await stop();
    throw error;
  }
  return { env: Object.assign({}, ...running.map((service) => service.env)), stop };
}

async function main(args: readonly string[]): Promise<void> {
  const options = args.filter((each) => each.startsWith('-'));
  const named = servicesNamed(args.filter((each) => !each.startsWith('-')));
  const { env } = await startServices(named.length === 0 ? SERVICES : named);
  for (const [name, value] of Object.entries(env)) process.stdout.write(`${name}=${value}\n`);
  const [shown] = named;
  if (named.length === 1 && shown?.show !== undefined) return shown.show(options);
  if (options.length > 0) {
    throw new Error(`${options.join(' ')}: options go with one service that can be run alone, such as redis.`);
  }
}

if (import.meta.main) {
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

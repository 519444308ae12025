/** Proxies as docs/proxies.md configures them: its blocks as they stand, but for addresses, in front of a server of the test's. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.ts';
import { ROOT, type Scope, type ServerProcess, temporaryFolder } from './server-process.ts';

const START_ATTEMPTS_MAX = 200;

export interface ProxyProgram {
  /** Of the fenced block. */
  readonly language: string;
  /** What makes the whole of a file of the block; absent: it is whole. */
  readonly whole?: (block: string, folder: string) => string;
  readonly command: (file: string) => readonly [string, ...string[]];
}

/** Its URL; it ends with the scope. */
export async function startShownProxy(scope: Scope, server: ServerProcess, program: ProxyProgram): Promise<string> {
  const page = readFileSync(join(ROOT, 'docs/proxies.md'), 'utf8');
  const block = new RegExp(`^\`\`\`${program.language}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(page)?.[1];
  if (block === undefined) throw new Error(`docs/proxies.md has no block of ${program.language}`);
  const port = await freePort();
  const own = block
    .replaceAll('127.0.0.1:23333', `127.0.0.1:${server.port}`)
    .replace(/(listen |bind :)80$|(listen )80;/m, (line) => line.replace(/:?80/, `127.0.0.1:${port}`));
  const folder = temporaryFolder(scope, program.language);
  const file = join(folder, 'proxy.conf');
  writeFileSync(file, program.whole?.(own, folder) ?? own);
  const [command, ...args] = program.command(file);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed = `${printed}${text}`.slice(-4000);
    });
  }
  const exit = once(child, 'exit');
  scope.after(async () => {
    child.kill('SIGTERM');
    await exit;
  });
  const url = `http://127.0.0.1:${port}`;
  for (let attempt = 1; ; attempt += 1) {
    const status = await fetch(`${url}/live`).then(
      (answer) => answer.status,
      () => 0,
    );
    if (status === 200) return url;
    if (attempt === START_ATTEMPTS_MAX || child.exitCode !== null) {
      throw new Error(`${command} does not pass on ${url}/live (last status ${status}). It printed:\n${printed}`);
    }
    await sleep(25);
  }
}

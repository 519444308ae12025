import { existsSync } from 'node:fs';
import { aptInstall, isExecutable, mayInstall, onPath, type Service } from './service.ts';

export type ProxyName = 'nginx' | 'haproxy';

function findProxy(name: ProxyName): string | undefined {
  return onPath([name]) ?? [`/usr/sbin/${name}`, `/usr/local/sbin/${name}`].find(isExecutable);
}

function how(name: ProxyName): string {
  return `${name} was not found. Install it (Debian: \`apt-get install ${name}\`), or leave its tests out with LATCHKEY_SKIP=${name}.`;
}

/** The path of a reverse proxy. @throws Error that says how to get it. */
export function requireProxy(name: ProxyName): string {
  const path = findProxy(name);
  if (path === undefined) throw new Error(how(name));
  return path;
}

export function proxy(name: ProxyName): Service {
  return {
    name,
    support: `test/support/${name}.ts`,
    async start() {
      // Where systemd runs, the package would start a server of its own on port 80; nobody asked for that.
      const isQuiet = !existsSync('/run/systemd/system');
      if (findProxy(name) === undefined && mayInstall() && isQuiet) await aptInstall(name, how(name));
      requireProxy(name);
      return { env: {}, stop: async () => {} };
    },
  };
}

import { aptInstall, isExecutable, mayInstall, onPath, type Service } from './service.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const HOW =
  'Chromium was not found. Install it (Debian: `apt-get install chromium`; macOS: `brew install --cask chromium`), or set ' +
  'LATCHKEY_CHROMIUM to the path of a Chromium or Chrome, or leave its tests out with LATCHKEY_SKIP=chromium.';

/** The path of a Chromium or Chrome on this machine, or undefined. */
function findChromium(): string | undefined {
  const named = process.env.LATCHKEY_CHROMIUM;
  if (named !== undefined && named !== '') return isExecutable(named) ? named : undefined;
  return onPath(NAMES) ?? ['/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'].find(isExecutable);
}

/** The path of a Chromium or Chrome. @throws Error that says how to get it. */
export function requireChromium(): string {
  const path = findChromium();
  if (path === undefined) throw new Error(HOW);
  return path;
}

export const chromium: Service = {
  name: 'chromium',
  support: 'test/support/chromium.ts',
  async start() {
    if (findChromium() === undefined && mayInstall()) await aptInstall('chromium', HOW);
    return { env: { LATCHKEY_CHROMIUM: requireChromium() }, stop: async () => {} };
  },
};

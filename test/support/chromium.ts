/** A real browser for tests. Importing this module is how a test file says that it needs one (scripts/service/). */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium } from 'playwright-core';
import { requireChromium } from '../../scripts/service/chromium.ts';
import type { Scope } from './server-process.ts';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--host-resolver-rules=MAP latchkey.test 127.0.0.1',
];

/** A browser with an empty profile of its own, gone when the test ends. @throws Error that says how to get Chromium. */
export async function openBrowser(scope: Scope): Promise<BrowserContext> {
  const profile = mkdtempSync(join(tmpdir(), 'latchkey-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: requireChromium(),
    headless: true,
    args: FLAGS,
  });
  scope.after(async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  });
  return context;
}

/** A browser for a whole test file, which closes it; each page has a context of its own. @throws Error that says how to get Chromium. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: requireChromium(), headless: true, args: FLAGS });
}

import { processEnvironment, variable } from '../config/environment.ts';
import { loadSettings } from '../config/load-settings.ts';
import { printLine, remark } from './output.ts';
import type { ServeOptions } from './serve.ts';

/** `latchkey config check`: every fault at once, or the settings that `serve` would run with. */
export async function runConfigCheck(options: ServeOptions): Promise<void> {
  const { config, ...flags } = options;
  const { settings, warnings } = loadSettings({
    flags,
    environment: processEnvironment,
    file: config ?? variable(processEnvironment, 'LATCHKEY_CONFIG'),
    cwd: process.cwd(),
  });
  for (const warning of warnings) remark(warning);
  await printLine(JSON.stringify(settings, undefined, 2));
}

import { hidden } from '../config/fault.ts';
import { setPath, toTree } from '../config/layer.ts';
import type { ConfigOptions } from './config-show.ts';
import { printLine, remark } from './output.ts';
import { loadServeSettings } from './serve-settings.ts';

export interface CheckOptions extends ConfigOptions {
  readonly connect?: boolean;
}

/**
 * `latchkey config check`: every fault at once, or the settings that `serve` would run with; with --connect what they name is tried
 * too. What a reference leads to is checked and not printed.
 */
export async function runConfigCheck(options: CheckOptions): Promise<void> {
  const { connect, json, ...serve } = options;
  const { references, settings, warnings } = loadServeSettings(serve);
  for (const warning of warnings) remark(warning);
  if (settings.sources.length > 0) (await import('../main.ts')).checkSettings(settings);
  if (connect === true) {
    const { tryConfigured } = await import('./config-try.ts');
    for (const line of await tryConfigured(settings, await import('../main.ts'))) remark(line);
  }
  const shown = toTree(settings as unknown as Record<string, unknown>);
  for (const [path, reference] of references) setPath(shown, path, reference);
  await printLine(JSON.stringify(hidden('', shown), undefined, json === true ? undefined : 2));
}

import { processEnvironment, variable } from '../config/environment.ts';
import { type Flags, type LoadedSettings, loadSettings } from '../config/load-settings.ts';

/** The settings that `latchkey serve` would take with these options, here. @throws LatchkeyError `config-invalid` */
export function loadServeSettings({ config, ...flags }: Flags & { readonly config?: string }): LoadedSettings {
  const file = config ?? variable(processEnvironment, 'LATCHKEY_CONFIG');
  return loadSettings({ flags, environment: processEnvironment, file, cwd: process.cwd() });
}

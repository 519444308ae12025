import { describeSettings } from './describe.ts';
import { hidden } from './fault.ts';
import { getPath } from './layer.ts';
import { type LoadedSettings, originOf } from './load-settings.ts';

/** One setting as it is in effect. */
export interface EffectiveSetting {
  readonly path: string;
  /** As `latchkey.yaml` would have it; a reference stands as such, and what it leads to is not shown. */
  readonly value: unknown;
  /** `default`, `preset kv-store`, `latchkey.yaml line 3`, `LATCHKEY_HTTP_PORT`, `--port`. */
  readonly origin: string;
}

/** Every setting with where it comes from, in the order of the schema. */
export function effectiveSettings({ said, settings }: LoadedSettings): readonly EffectiveSetting[] {
  return describeSettings().map(({ defaultText, kind, path }) => {
    const value = getPath(said.tree, path);
    if (value !== undefined)
      return { path, value: hidden(path, value), origin: originOf(path, said.origins) ?? 'given' };
    if (path === 'data') return { path, value: settings.data, origin: 'default' };
    const isText = kind === 'bytes' || kind === 'duration' || kind === 'choice';
    return { path, value: isText ? defaultText : JSON.parse(defaultText), origin: 'default' };
  });
}

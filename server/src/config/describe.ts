import type { z } from 'zod';
import { userForm } from './schema.ts';
import { type GroupMeta, type SettingMeta, settingMetas } from './schema-parts.ts';

/** One setting for the reference page, the environment's names and fault messages. */
export interface SettingDescription extends SettingMeta {
  /** As in `latchkey.yaml`, e.g. `limits.keyBytesMax`. */
  readonly path: string;
  /** `LATCHKEY_` and the path in upper snake case. */
  readonly variable: string;
  /** Other variables that set it, e.g. `PORT`. */
  readonly aliases: readonly string[];
}

export interface GroupDescription extends GroupMeta {
  readonly path: string;
  readonly variable: string;
}

const ALIASES: Readonly<Record<string, readonly string[]>> = {
  'http.port': ['PORT'],
  logLevel: ['LOG_LEVEL'],
  clusterLabel: ['CLUSTER'],
  presets: ['LATCHKEY_PRESET'],
};

export function variableOf(path: string): string {
  return `LATCHKEY_${path.replaceAll('.', '_').replace(/([a-z])([A-Z])/g, '$1_$2')}`.toUpperCase();
}

/** Every setting, in the order of the schema. */
export function describeSettings(): readonly SettingDescription[] {
  return walk().flatMap(({ path, meta }) =>
    meta.kind === 'group' ? [] : [{ ...meta, path, variable: variableOf(path), aliases: ALIASES[path] ?? [] }],
  );
}

export function describeGroups(): readonly GroupDescription[] {
  return walk().flatMap(({ path, meta }) =>
    meta.kind === 'group' ? [{ ...meta, path, variable: variableOf(path) }] : [],
  );
}

function walk(): { path: string; meta: SettingMeta | GroupMeta }[] {
  const found: { path: string; meta: SettingMeta | GroupMeta }[] = [];
  const visit = (shape: Readonly<Record<string, z.core.$ZodType>>, prefix: string): void => {
    for (const [name, schema] of Object.entries(shape)) {
      const meta = settingMetas.get(schema);
      if (meta === undefined) throw new Error(`the setting ${prefix}${name} has no description`);
      found.push({ path: prefix + name, meta });
      if (meta.kind === 'group') visit((schema as z.ZodPrefault<z.ZodObject>).unwrap().shape, `${prefix}${name}.`);
    }
  };
  visit(userForm.shape, '');
  return found;
}

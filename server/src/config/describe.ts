import type { z } from 'zod';
import { userForm } from './schema.ts';
import { type GroupMeta, type KindMeta, type SettingMeta, settingMetas } from './schema-parts.ts';

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

/** One kind of item of a list of mappings, or of a setting within such an item. */
export interface KindDescription extends Pick<KindMeta, 'name' | 'about'> {
  /** As in `latchkey.yaml`, e.g. `sources[]` or `sources[].format`. */
  readonly path: string;
  readonly settings: readonly (SettingMeta & { readonly name: string })[];
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

/** The kinds of sources, formats and sinks with their settings. */
export function describeKinds(): readonly KindDescription[] {
  const found = new Map<string, KindDescription>();
  for (const [name, schema] of Object.entries(userForm.shape)) {
    if (settingMetas.get(schema)?.kind === 'items') noteKinds(bare(schema), `${name}[]`, found);
  }
  return [...found.values()];
}

/** What a setting of the user's form takes, wherever it stands: the mappings of lists are looked into by their `kind`. */
export function takesAt(steps: readonly PropertyKey[], tree: unknown): string | undefined {
  let schema: z.core.$ZodType | undefined = userForm;
  let value = tree;
  for (const step of steps) {
    schema = schema === undefined ? undefined : within(bare(schema), step, value);
    value = (value as Record<PropertyKey, unknown> | undefined)?.[step];
  }
  if (schema === undefined) return undefined;
  return settingMetas.get(ownKind(bare(schema), value) ?? schema)?.takes;
}

function noteKinds(schema: z.core.$ZodType, path: string, found: Map<string, KindDescription>): void {
  for (const option of optionsOf(schema)) {
    const { about, name } = settingMetas.get(option) as KindMeta;
    const { kind: _kind, ...shape } = shapeOf(option);
    found.set(`${path} ${name}`, { path, name, about, settings: settingsOf(shape, '') });
    for (const [inner, part] of Object.entries(shape)) {
      if (settingMetas.get(part)?.kind === 'item') noteKinds(part, `${path}.${inner}`, found);
    }
  }
}

function settingsOf(shape: Shape, prefix: string): (SettingMeta & { readonly name: string })[] {
  return Object.entries(shape).flatMap(([name, schema]) => {
    const meta = metaOf(schema, name);
    if (meta.kind === 'kind') return [];
    if (meta.kind === 'item') return [{ ...meta, kind: 'items' as const, defaultText: '', name: prefix + name }];
    if (meta.kind === 'group') return settingsOf(shapeOf(bare(schema)), `${prefix}${name}.`);
    return [{ ...meta, name: prefix + name }];
  });
}

type Shape = Readonly<Record<string, z.core.$ZodType>>;

/** The schema without what gives it a default. */
function bare(schema: z.core.$ZodType): z.core.$ZodType {
  let inner = schema;
  for (;;) {
    const { def } = inner._zod as { readonly def: { readonly innerType?: z.core.$ZodType } };
    if (def.innerType === undefined) return inner;
    inner = def.innerType;
  }
}

function shapeOf(schema: z.core.$ZodType): Shape {
  return (schema as z.ZodObject).shape ?? {};
}

function optionsOf(schema: z.core.$ZodType): readonly z.core.$ZodType[] {
  const { element, options } = schema as Partial<z.ZodArray & z.ZodUnion>;
  if (element !== undefined) return optionsOf(element);
  return options ?? [];
}

function within(schema: z.core.$ZodType, step: PropertyKey, value: unknown): z.core.$ZodType | undefined {
  if (typeof step === 'number') return (schema as Partial<z.ZodArray>).element ?? schema;
  return shapeOf(ownKind(schema, value) ?? schema)[String(step)];
}

function ownKind(schema: z.core.$ZodType, value: unknown): z.core.$ZodType | undefined {
  const kind = (value as { readonly kind?: unknown } | undefined)?.kind;
  if (kind === undefined || (schema as Partial<z.ZodArray>).element !== undefined) return undefined;
  return optionsOf(schema).find((option) => {
    const meta = settingMetas.get(option);
    return meta?.kind === 'kind' && meta.name === kind;
  });
}

function metaOf(schema: z.core.$ZodType, name: string) {
  const meta = settingMetas.get(schema);
  if (meta === undefined) throw new Error(`the setting ${name} has no description`);
  return meta;
}

function walk(): { path: string; meta: SettingMeta | GroupMeta }[] {
  const found: { path: string; meta: SettingMeta | GroupMeta }[] = [];
  const visit = (shape: Shape, prefix: string): void => {
    for (const [name, schema] of Object.entries(shape)) {
      const meta = metaOf(schema, prefix + name);
      if (meta.kind === 'item' || meta.kind === 'kind') continue;
      found.push({ path: prefix + name, meta });
      if (meta.kind === 'group') visit(shapeOf(bare(schema)), `${prefix}${name}.`);
    }
  };
  visit(userForm.shape, '');
  return found;
}

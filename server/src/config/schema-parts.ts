import { z } from 'zod';
import { DURATION_TAKES, formatBytes, formatDuration, parseBytes, parseDurationMs, SIZE_TAKES } from './units.ts';

/** What the reference page and fault messages say of one setting; kept in zod's registry beside its schema. */
export interface SettingMeta {
  readonly kind: 'text' | 'count' | 'bytes' | 'duration' | 'choice' | 'flag' | 'list' | 'items';
  /** Completes "http.port takes …". */
  readonly takes: string;
  readonly about: string;
  /** The default as a user would write it. */
  readonly defaultText: string;
}

/** A setting within an item whose value is a mapping of one of several kinds. */
export interface ItemMeta {
  readonly kind: 'item';
  readonly takes: string;
  readonly about: string;
}

/** One of the kinds of an item: `kind: redis-pubsub` and its settings. */
export interface KindMeta {
  readonly kind: 'kind';
  readonly name: string;
  readonly takes: string;
  readonly about: string;
}

export interface GroupMeta {
  readonly kind: 'group';
  readonly takes: string;
  readonly about: string;
}

interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

interface Shape {
  readonly takes: string;
  /** A number that YAML made of a text that looks like one is taken too. */
  readonly takesNumbers?: boolean;
  readonly accepts: (value: string) => boolean;
}

export const settingMetas = z.registry<SettingMeta | GroupMeta | ItemMeta | KindMeta>();

export function group<Parts extends z.ZodRawShape>(about: string, parts: Parts) {
  const schema = z.strictObject(parts).prefault({} as never);
  settingMetas.add(schema, { kind: 'group', takes: `a mapping of ${Object.keys(parts).join(', ')}`, about });
  return schema;
}

export function text(byDefault: string, about: string, shape: Shape) {
  const texts = z.string().refine(shape.accepts);
  const numbers = z.number().transform(String).refine(shape.accepts);
  const schema = (shape.takesNumbers === true ? z.union([texts, numbers]) : texts).default(byDefault);
  settingMetas.add(schema, { kind: 'text', takes: shape.takes, about, defaultText: JSON.stringify(byDefault) });
  return schema;
}

/** A text without a default. */
export function required(about: string, shape: Shape) {
  const schema = z.string().refine(shape.accepts);
  settingMetas.add(schema, { kind: 'text', takes: shape.takes, about, defaultText: '' });
  return schema;
}

/** Seconds as a number or its text, fractions allowed; undefined where it is left out. */
export function seconds(about: string) {
  const schema = z
    .union([
      z.number(),
      z
        .string()
        .regex(/^[0-9]+(\.[0-9]+)?$/)
        .transform(Number),
    ])
    .refine((value) => value > 0 && value < 1e10)
    .optional();
  settingMetas.add(schema, { kind: 'text', takes: 'seconds, such as 60 or 0.5', about, defaultText: '' });
  return schema;
}

/** A mapping of one kind: `kind` and the parts. */
export function item<const Kind extends string, Parts extends z.ZodRawShape>(kind: Kind, about: string, parts: Parts) {
  const schema = z.strictObject({ kind: z.literal(kind), ...parts });
  const takes = `a mapping of ${['kind', ...Object.keys(parts)].join(', ')}`;
  settingMetas.add(schema, { kind: 'kind', name: kind, takes, about });
  return schema;
}

type Kinds = readonly [z.core.$ZodTypeDiscriminable, ...z.core.$ZodTypeDiscriminable[]];

/** A mapping of one of several kinds. */
export function one<const Items extends Kinds>(about: string, kinds: Items) {
  const schema = z.discriminatedUnion('kind', kinds);
  settingMetas.add(schema, {
    kind: 'item',
    takes: `a mapping whose kind is ${kindNames(kinds)}`,
    about,
  });
  return schema;
}

const ITEMS_MAX = 100;

/** A list of such mappings; empty by default. */
export function many<const Items extends Kinds>(about: string, kinds: Items) {
  const schema = z.array(one(about, kinds)).max(ITEMS_MAX).default([]);
  const takes = `a list of at most ${ITEMS_MAX} mappings whose kind is ${kindNames(kinds)}`;
  settingMetas.add(schema, { kind: 'items', takes, about, defaultText: '[]' });
  return schema;
}

function kindNames(kinds: Kinds): string {
  return oneOf(kinds.map((each) => (settingMetas.get(each as z.core.$ZodType) as KindMeta).name));
}

export function count(byDefault: number, about: string, { min = 1, max = 1_000_000_000 }: Bounds = {}) {
  const schema = z.number().int().min(min).max(max).default(byDefault);
  const takes = `a whole number from ${min} to ${max}`;
  settingMetas.add(schema, { kind: 'count', takes, about, defaultText: String(byDefault) });
  return schema;
}

export function bytes(byDefault: number, about: string, { min = 1, max = Number.MAX_SAFE_INTEGER }: Bounds = {}) {
  const limits = {
    min,
    max,
    say: max === Number.MAX_SAFE_INTEGER ? `at least ${min} byte` : `${min} byte to ${formatBytes(max)}`,
  };
  const schema = measured(parseBytes, limits).default(byDefault);
  settingMetas.add(schema, { kind: 'bytes', takes: SIZE_TAKES, about, defaultText: formatBytes(byDefault) });
  return schema;
}

/** A hundred years at most: an age beyond that is a slip. */
const DURATION_MAX_MS = 100 * 365 * 86_400_000;
/** Beyond 24.8 days Node's timers fire at once. */
export const TIMER_MAX_MS = 24 * 86_400_000;

export function duration(byDefault: number, about: string, { min = 1, max = DURATION_MAX_MS }: Bounds = {}) {
  const limits = { min, max, say: `${formatDuration(min)} to ${formatDuration(max)}` };
  const schema = measured(parseDurationMs, limits).default(byDefault);
  settingMetas.add(schema, { kind: 'duration', takes: DURATION_TAKES, about, defaultText: formatDuration(byDefault) });
  return schema;
}

export function choice<const Value extends string>(values: readonly Value[], byDefault: Value, about: string) {
  const fold = (value: unknown) => (typeof value === 'string' ? value.toLowerCase() : value);
  const schema = z.preprocess(fold, z.enum(values)).default(byDefault as never);
  settingMetas.add(schema, { kind: 'choice', takes: oneOf(values), about, defaultText: byDefault });
  return schema;
}

export function flag(byDefault: boolean, about: string) {
  const schema = z.boolean().default(byDefault);
  settingMetas.add(schema, { kind: 'flag', takes: 'true or false', about, defaultText: String(byDefault) });
  return schema;
}

export function list(byDefault: readonly string[], about: string, shape: Shape) {
  const schema = z
    .array(z.string().refine(shape.accepts))
    .max(1000)
    .default([...byDefault]);
  settingMetas.add(schema, { kind: 'list', takes: shape.takes, about, defaultText: JSON.stringify(byDefault) });
  return schema;
}

/** `local in this version` reads better than a list of one. */
function oneOf(values: readonly string[]): string {
  return values.length === 1 ? `${values[0]} in this version` : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
}

function measured(parse: (value: string | number) => number, limits: { min: number; max: number; say: string }) {
  return z.union([z.string(), z.number()]).transform((value, context) => {
    let amount: number;
    try {
      amount = parse(value);
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as RangeError).message, params: { whole: true } });
      return z.NEVER;
    }
    if (amount >= limits.min && amount <= limits.max) return amount;
    const message = `takes ${limits.say}, but got ${JSON.stringify(value)}`;
    context.addIssue({ code: 'custom', message, params: { whole: true } });
    return z.NEVER;
  });
}

import { LatchkeyError, quote } from '@latchkey/client';
import { compileKeyTemplate, type KeyTemplate } from '../../shared/key-template.ts';
import { ttlMicros } from '../../shared/ttl.ts';
import { FIELD_TYPES, type FieldType } from './field-type.ts';
import { bytesText } from './row.ts';

/** How rows that are no commands become some, as typed. */
export interface MappingOptions {
  readonly key?: string;
  readonly map?: readonly string[];
  readonly only?: boolean;
  readonly omit?: readonly string[];
  readonly value?: string;
  readonly updated?: string;
  readonly valid?: string;
  readonly ttl?: string;
  readonly merge?: boolean;
}

/** The same, compiled; every name is as `Row` has it, the text between the quotes of JSON, in latin1. */
export interface Mapping {
  readonly template: KeyTemplate;
  readonly fields: ReadonlyMap<string, { readonly name: string; readonly type: FieldType }>;
  readonly isOnly: boolean;
  readonly omit: ReadonlySet<string>;
  readonly value: string | undefined;
  readonly updated: string | undefined;
  readonly valid: string | undefined;
  readonly ttl: string | undefined;
  readonly op: 'put' | 'merge';
  /** Whether a JSON row's own text is the value: nothing is left out, renamed or converted. */
  readonly keepsText: boolean;
}

const BESIDE = ['map', 'only', 'omit', 'value', 'updated', 'valid', 'ttl', 'merge'] as const;

/**
 * Undefined without a key template: rows are commands or entries then.
 * @throws LatchkeyError `usage`
 */
export function compileMapping(options: MappingOptions): Mapping | undefined {
  if (options.key === undefined) {
    const alone = BESIDE.find((name) => options[name] !== undefined);
    if (alone === undefined) return undefined;
    throw usage(
      alone,
      `--${alone} goes with --key, which makes entries of plain rows; say for instance --key 'sensor:{id}'.`,
    );
  }
  const fields = new Map((options.map ?? []).map(compileField));
  const omit = new Set((options.omit ?? []).map(written));
  const value = options.value === undefined ? undefined : written(options.value);
  const isOnly = options.only === true;
  if (isOnly && fields.size === 0) throw usage('only', '--only keeps the fields that --map names; name some.');
  return {
    template: compileTemplate(options.key),
    fields,
    isOnly,
    omit,
    value,
    updated: options.updated === undefined ? undefined : written(options.updated),
    valid: options.valid === undefined ? undefined : written(options.valid),
    ttl: options.ttl === undefined ? undefined : ttlText(options.ttl),
    op: options.merge === true ? 'merge' : 'put',
    keepsText: fields.size === 0 && omit.size === 0 && value === undefined && !isOnly,
  };
}

/** Compiled twice: as typed, so that a fault shows it so, and as the bytes of JSON that it will stand among. */
function compileTemplate(text: string): KeyTemplate {
  try {
    compileKeyTemplate(text, { field: '--key' });
    return compileKeyTemplate(written(text), { field: '--key' });
  } catch (error) {
    throw error instanceof LatchkeyError ? usage('key', error.message) : error;
  }
}

/** `new=old:type`, of which `new=` and `:type` may be missing. */
function compileField(text: string): [string, { name: string; type: FieldType }] {
  const match = /^(?:([^=]+)=)?(.+?)(?::([a-z]+))?$/.exec(text);
  const type = FIELD_TYPES.find((each) => each === (match?.[3] ?? 'auto'));
  if (match === null || type === undefined) {
    throw usage(
      'map',
      `--map takes NEW=FIELD:TYPE, FIELD:TYPE or NEW=FIELD, and as a type ${FIELD_TYPES.join(', ')}, but got ${quote(text)}.`,
    );
  }
  const old = match[2] as string;
  return [written(old), { name: written(match[1] ?? old), type }];
}

function ttlText(text: string): string {
  const micros = ttlMicros(text);
  if (typeof micros === 'number') return JSON.stringify(text);
  throw usage('ttl', `--ttl: ${micros.message}`);
}

function written(name: string): string {
  return bytesText(JSON.stringify(name).slice(1, -1));
}

function usage(option: string, message: string): LatchkeyError {
  return new LatchkeyError('usage', message, { field: `--${option}` });
}

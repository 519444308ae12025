import { LatchkeyError, quote } from '@latchkey/client';
import type { Refusal } from '../commands/command.ts';
import { isRefusal, refuse } from './refusal.ts';

/** Where a template finds what it names. A refusal is passed on: a key is never made of something that is not there. */
export interface TemplateSource {
  readonly recordKey: string | undefined;
  field(path: readonly string[]): string | Refusal;
}

/** A key with places to fill, e.g. `battery:{battery_id}:data`. */
export interface KeyTemplate {
  readonly text: string;
  readonly usesFields: boolean;
  fill(source: TemplateSource): string | Refusal;
}

export type TemplatePart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'field'; readonly path: readonly string[] }
  | { readonly kind: 'recordKey' };

export interface TemplateOptions {
  /** The setting, as messages name it. */
  readonly field?: string;
  /** False where the message has no fields to name (format `raw`). */
  readonly takesFields?: boolean;
}

/**
 * Compiles a template once. `{name}` is a field of the message, `{a.b}` a field within a field, `{$key}` the message's own key;
 * `{{` and `}}` are braces.
 * @throws LatchkeyError `config-invalid`
 */
export function compileKeyTemplate(text: string, options: TemplateOptions = {}): KeyTemplate {
  const { field = 'key', takesFields = true } = options;
  const parts = templateParts(text, field);
  const usesFields = parts.some(({ kind }) => kind === 'field');
  if (usesFields && !takesFields) {
    throw fault(field, text, 'names a field, but this format does not look into messages; it takes {$key} only');
  }
  return { text, usesFields, fill: (source) => fill(parts, text, source) };
}

/** @throws LatchkeyError `config-invalid` */
export function templateParts(text: string, field: string): readonly TemplatePart[] {
  if (typeof text !== 'string' || text === '') throw fault(field, String(text), 'is empty; give a key such as a:{id}');
  const parts: TemplatePart[] = [];
  let literal = '';
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character !== '{' && character !== '}') literal += character;
    else if (text.charAt(at + 1) === character) {
      literal += character;
      at += 1;
    } else if (character === '}') {
      throw fault(field, text, `has a } at character ${at + 1} that closes nothing; write }} for a brace`);
    } else {
      const end = text.indexOf('}', at);
      if (end < 0) throw fault(field, text, `has a { at character ${at + 1} that is not closed; write {{ for a brace`);
      if (literal !== '') parts.push({ kind: 'text', text: literal });
      literal = '';
      parts.push(place(text.slice(at + 1, end), text, field));
      at = end;
    }
  }
  if (literal !== '') parts.push({ kind: 'text', text: literal });
  return parts;
}

function place(name: string, text: string, field: string): TemplatePart {
  if (name === '$key') return { kind: 'recordKey' };
  if (name.startsWith('$')) throw fault(field, text, `names {${name}}, which does not exist; {$key} does`);
  if (name.includes('{')) throw fault(field, text, `has a { within {${name}}; close the first one before`);
  const path = name.split('.');
  if (path.includes('')) throw fault(field, text, `names {${name}}, which has an empty part; write {field} or {a.b}`);
  return { kind: 'field', path };
}

function fill(parts: readonly TemplatePart[], text: string, source: TemplateSource): string | Refusal {
  let key = '';
  for (const part of parts) {
    const filled =
      part.kind === 'text' ? part.text : part.kind === 'field' ? source.field(part.path) : source.recordKey;
    if (filled === undefined) {
      const message = `The message has no key of its own, which the key template ${quote(text)} needs.`;
      return refuse('event-invalid', message, '$key');
    }
    if (typeof filled !== 'string' && isRefusal(filled)) return filled;
    key += filled;
  }
  return key;
}

function fault(field: string, text: string, what: string): LatchkeyError {
  return new LatchkeyError('config-invalid', `${field}: the key template ${quote(text)} ${what}.`, { field });
}

import { z } from 'zod';
import { REFERENCE_PATTERN } from './reference.ts';
import { userForm } from './schema.ts';
import { settingMetas } from './schema-parts.ts';
import { DURATION_PATTERN, SIZE_PATTERN } from './units.ts';

type Json = Record<string, unknown>;

const REFERENCE = { type: 'string', pattern: REFERENCE_PATTERN, description: 'The text of a variable or a file.' };

/** `latchkey.yaml` as a JSON Schema, by which editors complete and check it while it is written. */
export function settingsJsonSchema(): Json {
  const schema = z.toJSONSchema(userForm, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema, zodSchema }) => {
      const meta = settingMetas.get(zodSchema);
      if (meta === undefined) return;
      const json = jsonSchema as Json;
      json.description = meta.kind === 'group' ? meta.about : `${meta.about} Takes ${meta.takes}.`;
      // zod leaves a default out whose setting transforms what it is given.
      if ((meta.kind === 'text' || meta.kind === 'items') && meta.defaultText !== '')
        json.default = JSON.parse(meta.defaultText);
      if (meta.kind === 'group') {
        delete json.default;
      } else if (meta.kind === 'bytes' || meta.kind === 'duration') {
        json.default = meta.defaultText;
        json.pattern = `${REFERENCE_PATTERN}|${meta.kind === 'bytes' ? SIZE_PATTERN : DURATION_PATTERN}`;
      } else if (meta.kind === 'count' || meta.kind === 'flag' || meta.kind === 'choice') {
        const { default: _default, description, type, ...rest } = json;
        for (const name of Object.keys(json)) delete json[name];
        Object.assign(json, {
          description,
          default: meta.kind === 'choice' ? meta.defaultText : JSON.parse(meta.defaultText),
          anyOf: [{ type, ...rest }, REFERENCE],
        });
      }
    },
  }) as Json;
  return { ...schema, title: 'latchkey.yaml', description: 'Settings of a Latchkey server.' };
}

import { LatchkeyError } from '@latchkey/client';
import type { Command, Refusal } from '../commands/command.ts';
import type { FormatChoice } from '../config/flow-settings.ts';
import type { Settings } from '../config/settings.ts';
import { literalGlob } from '../shared/glob.ts';
import { refuseKey, refusePattern } from '../shared/key.ts';
import { entryTimeFormat } from './entry-time.ts';
import type { Format } from './format.ts';
import { makeFormat } from './format-kinds.ts';
import type { FormatLimits } from './message-text.ts';

/** What a source's settings say of the commands that are made of its messages. */
export interface SourceFormatSettings {
  readonly format: FormatChoice;
  readonly keyPrefix: string;
  readonly late: 'refuse' | 'accept';
  readonly recordEqual: boolean;
}

/**
 * The format of a source: that of its `format:`, and in every command it makes, whichever format that is, `keyPrefix` before the key or
 * pattern, `late: accept` and `recordEqual`.
 * @throws LatchkeyError `config-invalid` for a template that can't be used
 */
export function sourceFormat(settings: SourceFormatSettings, limits: FormatLimits): Format {
  const format = makeFormat(settings.format, limits);
  const adapt = adapterOf(settings, limits);
  return {
    kind: format.kind,
    decode: (message) => format.decode(message).map((command) => ('outcome' in command ? command : adapt(command))),
  };
}

function adapterOf(
  { keyPrefix, late, recordEqual }: SourceFormatSettings,
  { keyBytesMax }: FormatLimits,
): (command: Command) => Command | Refusal {
  const acceptLate = late === 'accept' ? { acceptLate: true } : {};
  const taking = { ...acceptLate, ...(recordEqual ? { recordEqual: true } : {}) };
  const globPrefix = literalGlob(keyPrefix);
  return (command) => {
    if (command.op === 'removeMatching') {
      const pattern = globPrefix + command.pattern;
      return refusePattern(pattern, keyBytesMax) ?? { ...command, pattern };
    }
    const key = keyPrefix + command.key;
    const refusal = keyPrefix === '' ? undefined : refuseKey(key, keyBytesMax);
    if (refusal !== undefined) return refusal;
    switch (command.op) {
      case 'put':
      case 'merge':
        return { ...command, key, ...taking };
      case 'remove':
        return { ...command, key, ...acceptLate };
      default:
        return { ...command, key };
    }
  };
}

/** The formats of all sources that read messages, by the name of the source. @throws LatchkeyError `config-invalid` that names it */
export function sourceFormats({ limits, sources }: Pick<Settings, 'limits' | 'sources'>): ReadonlyMap<string, Format> {
  const formats = new Map<string, Format>();
  for (const [index, source] of sources.entries()) {
    if (!('format' in source)) continue;
    try {
      const format = sourceFormat(source, limits);
      formats.set(source.name, source.kind === 'redis-stream' ? entryTimeFormat(format) : format);
    } catch (error) {
      if (!(error instanceof LatchkeyError)) throw error;
      const field = `sources[${index}].format`;
      throw new LatchkeyError(error.code, `${field} of the source ${source.name}: ${error.message}`, {
        field,
        cause: error,
      });
    }
  }
  return formats;
}

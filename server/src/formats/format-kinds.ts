import { cacheEventFormat } from './cache-event.ts';
import { commandFormat } from './commands.ts';
import type { Format } from './format.ts';
import { type JsonFormatSettings, jsonFormat } from './json.ts';
import { kvStoreFormat } from './kv-store.ts';
import { kvupdaterFormat } from './kvupdater.ts';
import type { FormatLimits } from './message-text.ts';
import { type RawFormatSettings, rawFormat } from './raw.ts';

/** A source's `format:` of `latchkey.yaml`. How the source takes what it brings is `source-format.ts`'s. */
export type FormatSettings =
  | { readonly kind: 'command' | 'kv-store' | 'kvupdater' | 'cache-event' }
  | ({ readonly kind: 'json' } & JsonFormatSettings)
  | ({ readonly kind: 'raw' } & RawFormatSettings);

/** @throws LatchkeyError `config-invalid` for a template or a `ttl` that can't be used. */
export function makeFormat(settings: FormatSettings, limits: FormatLimits): Format {
  switch (settings.kind) {
    case 'command':
      return commandFormat(limits);
    case 'kv-store':
      return kvStoreFormat(limits);
    case 'kvupdater':
      return kvupdaterFormat(limits);
    case 'cache-event':
      return cacheEventFormat(limits);
    case 'json':
      return jsonFormat(settings, limits);
    case 'raw':
      return rawFormat(settings, limits);
  }
}

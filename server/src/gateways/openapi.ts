import { KEY_PATHS } from './openapi-keys.ts';
import { OPERATION_PATHS } from './openapi-operations.ts';
import { SCHEMAS } from './openapi-schemas.ts';
import { WATCH_PATHS } from './openapi-watch.ts';

/** `/openapi.json`: every route of the listener. A test holds it against what the gateways register. */
export function openApiDocument(programVersion: string): Readonly<Record<string, unknown>> {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Latchkey',
      version: programVersion,
      description: 'The last value of every key, and every change of it live, without a gap.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    paths: { ...KEY_PATHS, ...WATCH_PATHS, ...OPERATION_PATHS },
    components: { schemas: SCHEMAS },
  };
}

import { LatchkeyError, quote } from '@latchkey/client';
import type { FastifyInstance } from 'fastify';

export interface Route {
  readonly method: string;
  /** As registered: `/v1/keys/*`, `/v1/sources/:name`. */
  readonly path: string;
}

/** What was registered on the listener; tells a wrong method from a wrong path, which fastify does not. */
export class RouteTable {
  readonly #patterns = new Map<string, { readonly expression: RegExp; readonly methods: Set<string> }>();

  /** MUST be made before the first route is registered. */
  constructor(app: FastifyInstance) {
    app.addHook('onRoute', ({ method, url }) => {
      const methods = typeof method === 'string' ? [method] : method;
      const known = this.#patterns.get(url) ?? { expression: expressionOf(url), methods: new Set<string>() };
      this.#patterns.set(url, known);
      for (const one of methods) known.methods.add(one);
    });
  }

  list(): readonly Route[] {
    return [...this.#patterns].flatMap(([path, { methods }]) => [...methods].map((method) => ({ method, path })));
  }

  /** Why no handler was found: `method-not-allowed` with what the route takes, else `not-found`. */
  refusalOf(method: string, path: string): { readonly error: LatchkeyError; readonly allow?: string } {
    for (const { expression, methods } of this.#patterns.values()) {
      if (!expression.test(path)) continue;
      const allow = [...methods].join(', ');
      const message = `${method} is not a method of ${quote(path)}; it takes ${allow}.`;
      return { error: new LatchkeyError('method-not-allowed', message), allow };
    }
    const message = `There is no route ${method} ${quote(path)}; /openapi.json lists the ones there are.`;
    return { error: new LatchkeyError('not-found', message, { field: 'path' }) };
  }
}

function expressionOf(path: string): RegExp {
  const pattern = path
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replace(/\*/g, '.*')
    .replace(/:[A-Za-z]+/g, '[^/]+');
  return new RegExp(`^${pattern}$`);
}

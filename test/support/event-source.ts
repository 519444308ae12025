/**
 * The npm package `eventsource`, built. The condition `source`, by which this repository runs from its sources, is one that
 * other packages use too: theirs would lead to TypeScript inside node_modules, which Node refuses to run.
 */
import { registerHooks } from 'node:module';

registerHooks({
  resolve: (specifier, context, next) =>
    specifier.startsWith('eventsource')
      ? next(specifier, { ...context, conditions: context.conditions.filter((name) => name !== 'source') })
      : next(specifier, context),
});

export const { EventSource } = await import('eventsource');

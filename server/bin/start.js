// Plain JavaScript that any Node of the last years can read, so that an old one is told so in one clear line.
import { existsSync } from 'node:fs';
import * as module from 'node:module';

const NEEDED = [22, 22];

/** Runs `cli/<name>`: from its sources in a checkout, from dist where it is installed. */
export async function start(name) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
    console.error(
      `latchkey needs Node.js ${NEEDED.join('.')} or newer, but this is ${process.versions.node} (${process.execPath}). ` +
        'Install a newer one; in a checkout, `npm start` and `npx latchkey` bring their own.',
    );
    process.exit(2);
  }
  const source = new URL(`../src/cli/${name}.ts`, import.meta.url);
  // Halves the time in which a short command starts; NODE_DISABLE_COMPILE_CACHE=1 turns it off.
  module.enableCompileCache?.();
  if (!existsSync(source)) return (await import(`../dist/cli/${name}.js`)).main();
  module.registerHooks({
    resolve: (specifier, context, next) =>
      next(specifier, { ...context, conditions: [...context.conditions, 'source'] }),
  });
  return (await import(source.href)).main();
}

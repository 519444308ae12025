/** The client as a page loads it: one file, made of what is imported and no more, as small as a bundler makes it. */
import { build } from 'esbuild';
import { ROOT } from './server-process.ts';

/** An ES module that runs `code`, which may import from `@latchkey/client`; or, with a name, a script that puts its exports there. */
export async function bundleClient(code: string, globalName?: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: ROOT, loader: 'js' },
    bundle: true,
    minify: true,
    write: false,
    platform: 'browser',
    target: 'es2022',
    conditions: ['source'],
    ...(globalName === undefined ? { format: 'esm' } : { format: 'iife', globalName }),
  });
  return (outputFiles[0] as (typeof outputFiles)[0]).contents;
}

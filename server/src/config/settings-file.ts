import { readFileSync, statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml';
import { configInvalid } from './fault.ts';
import { isTree, type Layer, toTree } from './layer.ts';

const FILE_NAME = 'latchkey.yaml';
const FILE_BYTES_MAX = 1024 * 1024;

/**
 * Reads `latchkey.yaml` of `cwd` where it exists, or the file that was named, which must exist.
 * @throws LatchkeyError `config-invalid` with line and column of every syntax error
 */
export function readSettingsFile(cwd: string, named: string | undefined): Layer | undefined {
  const path = resolve(cwd, named ?? FILE_NAME);
  const text = readText(path, named);
  return text === undefined ? undefined : parseSettingsFile(text, named ?? basename(path));
}

export function parseSettingsFile(text: string, name: string): Layer {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    throw configInvalid(
      document.errors.map((error) => {
        const { line, col } = lines.linePos(error.pos[0]);
        return { path: '', says: `${name} line ${line}, column ${col} is not YAML: ${error.message}` };
      }),
    );
  }
  const origins = new Map<string, string>();
  noteLines(document.contents as Node | null, '', (path, offset) => {
    origins.set(path, `${name} line ${lines.linePos(offset).line}`);
  });
  const content: unknown = toPlain(() => document.toJS({ maxAliasCount: 100 }), name);
  if (content === null || content === undefined) return { tree: toTree({}), origins };
  if (!isTree(content)) {
    throw configInvalid([{ path: '', says: `${name} takes a mapping of settings, such as "http: { port: 23333 }"` }]);
  }
  return { tree: toTree(content), origins };
}

function readText(path: string, named: string | undefined): string | undefined {
  try {
    const { size } = statSync(path);
    if (size <= FILE_BYTES_MAX) return readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
    throw configInvalid([
      { path: '', says: `${path} has ${size} bytes; a settings file has at most ${FILE_BYTES_MAX}` },
    ]);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' && named === undefined) return undefined;
    if (code === undefined || code === 'config-invalid') throw error;
    const reason = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
    throw configInvalid([{ path: '', says: `${path} ${reason}; check --config and the file's permissions` }]);
  }
}

function toPlain(convert: () => unknown, name: string): unknown {
  try {
    return convert();
  } catch {
    throw configInvalid([{ path: '', says: `${name} repeats its aliases more than 100 times; write the values out` }]);
  }
}

function noteLines(node: Node | null, prefix: string, note: (path: string, offset: number) => void): void {
  if (!isMap(node)) return;
  for (const { key, value } of node.items) {
    if (!isScalar(key)) continue;
    const path = `${prefix}${key.value}`;
    note(path, key.range?.[0] ?? 0);
    noteLines(value as Node | null, `${path}.`, note);
  }
}

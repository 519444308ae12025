import { createReadStream, statSync } from 'node:fs';
import { extname } from 'node:path';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { LatchkeyError } from '@latchkey/client';
import { fileError } from '../file-error.ts';

export const INPUT_FORMATS = ['ndjson', 'json', 'csv'] as const;
export type InputFormat = (typeof INPUT_FORMATS)[number];

/** What is imported, unpacked. */
export interface Input {
  readonly content: Readable;
  /** Its first bytes, which `content` gives again. */
  readonly head: string;
  /** A place in a file that is not compressed can be gone to; anything else has to be read up to it. */
  readonly canSeek: boolean;
  /** Bytes of the file as it lies there; undefined for standard input. */
  readonly size: number | undefined;
  readonly modifiedMs: number | undefined;
  /** Of `size`, how much has been read. */
  bytesRead(): number;
}

const CHUNK_BYTES = 256 * 1024;

/**
 * Opens a file, or standard input for `-`; what is compressed by gzip is known by its content and unpacked.
 * @throws LatchkeyError `usage` where there is no such file
 */
export async function openInput(file: string, stdin: Readable): Promise<Input> {
  const stats = file === '-' ? undefined : statsOf(file);
  const raw = file === '-' ? stdin : createReadStream(file, { highWaterMark: CHUNK_BYTES });
  const first = await peek(raw).catch((error: unknown) => {
    throw fileError(error, file, 'read');
  });
  const isGzip = first[0] === 0x1f && first[1] === 0x8b;
  const content = isGzip ? unpacked(raw, file) : raw;
  return {
    content,
    head: (isGzip ? await peek(content) : first).toString('latin1'),
    canSeek: stats !== undefined && !isGzip,
    size: stats?.size,
    modifiedMs: stats?.mtimeMs,
    bytesRead: () => ('bytesRead' in raw ? Number(raw.bytesRead) : 0),
  };
}

/** The content of a file from a byte on, in place of `input.content`. */
export function contentFrom(file: string, input: Input, offset: number): Input {
  input.content.destroy();
  const content = createReadStream(file, { start: offset, highWaterMark: CHUNK_BYTES });
  return { ...input, content, bytesRead: () => offset + content.bytesRead };
}

/** By the name where it says so, else by the first bytes. */
export function formatOf(file: string, head: string): InputFormat {
  const extension = extname(file.replace(/\.gz$/i, '')).toLowerCase();
  if (extension === '.csv' || extension === '.tsv') return 'csv';
  if (/^\.(ndjson|jsonl|jsonlines)$/.test(extension)) return 'ndjson';
  const start = head.replace(/^\u00ef\u00bb\u00bf/, '').trimStart();
  if (start.startsWith('[')) return 'json';
  if (!start.startsWith('{')) return 'csv';
  // A first line that is a whole object has more rows behind it; one that is not begins a document.
  const line = start.slice(0, start.indexOf('\n') < 0 ? undefined : start.indexOf('\n')).trimEnd();
  return isWhole(line) || line.length > CHUNK_BYTES / 4 ? 'ndjson' : 'json';
}

function isWhole(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

function statsOf(file: string): { size: number; mtimeMs: number } {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined) throw new LatchkeyError('usage', `There is no file ${file}; - reads standard input.`);
  if (stats.isDirectory()) throw new LatchkeyError('usage', `${file} is a directory; import takes one file.`);
  return stats;
}

function unpacked(raw: Readable, file: string): Readable {
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  raw.on('error', (error) => gunzip.destroy(error));
  return Readable.from(translated(raw.pipe(gunzip), file), { objectMode: false, highWaterMark: CHUNK_BYTES });
}

async function* translated(gunzip: Readable, file: string): AsyncGenerator<Buffer> {
  try {
    yield* gunzip as AsyncIterable<Buffer>;
  } catch (cause) {
    if (!/^Z_/.test((cause as NodeJS.ErrnoException).code ?? '')) throw cause;
    const message = `The compressed data of ${file} is damaged or ends too early; the whole rows before that are taken.`;
    throw new LatchkeyError('invalid-request', `${message} Mend the file, and go on by --name.`, { cause });
  }
}

/** The first chunk, which the stream gives again; empty where it has ended. */
async function peek(stream: Readable): Promise<Buffer> {
  for (;;) {
    const chunk = stream.read() as Buffer | null;
    if (chunk !== null) {
      stream.unshift(chunk);
      return chunk;
    }
    if (stream.readableEnded) return Buffer.alloc(0);
    const isOver = await new Promise<boolean>((resolve, reject) => {
      const settle = (result: boolean) => {
        stream.off('readable', onReadable).off('end', onEnd).off('error', reject);
        resolve(result);
      };
      const onReadable = () => settle(false);
      const onEnd = () => settle(true);
      stream.on('readable', onReadable).on('end', onEnd).on('error', reject);
    });
    if (isOver) return Buffer.alloc(0);
  }
}

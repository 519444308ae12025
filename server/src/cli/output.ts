import { styleText } from 'node:util';
import { type ErrorCode, LatchkeyError } from '@latchkey/client';

/**
 * The CLI's only way to its terminal: results to standard output, everything else to standard error. Resolves when the text may
 * be followed by more, so that a slow reader slows the command and fills no memory.
 */
export function writeOut(text: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    if (process.stdout.write(text)) resolve();
    else process.stdout.once('drain', resolve);
  });
}

export function printLine(line: string): Promise<void> {
  return writeOut(`${line}\n`);
}

export function endsInLineFeed(text: string): boolean {
  return text.endsWith('\n');
}

/** For whoever watches; never part of a result. */
export function remark(line: string): void {
  process.stderr.write(`${paint('dim', line, process.stderr)}\n`);
}

/** `latchkey list | head` is no error: a reader that has seen enough ends the command. */
export function endWhenReaderLeaves(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? 0 : 1);
  });
  process.stderr.on('error', () => {});
}

type Style = Parameters<typeof styleText>[0];

/** Colour where the stream is a terminal; NO_COLOR and FORCE_COLOR are honoured. */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream });
}

/** What to do next, where the error alone cannot know that a command line met it. */
const HINTS: Partial<Record<ErrorCode, string>> = {
  unavailable: 'Start one with `latchkey serve`, or name another with --server or LATCHKEY_SERVER.',
  unauthorised: 'Give a token with --token or LATCHKEY_TOKEN.',
};

/** One line on standard error, or with `json` the error object; gives the exit code of the error's row. */
export function reportError(thrown: unknown, options: { readonly json: boolean }): number {
  const error = thrown instanceof LatchkeyError ? thrown : bugOf(thrown);
  if (options.json) {
    process.stderr.write(`${JSON.stringify(error.toJSON())}\n`);
    return error.row.exit;
  }
  const hint = HINTS[error.code] ?? '';
  const text = visible(error.message);
  process.stderr.write(`${paint('red', 'error:', process.stderr)} ${text}${hint === '' ? '' : ` ${hint}`}\n`);
  return error.row.exit;
}

function bugOf(thrown: unknown): LatchkeyError {
  const said = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  const place = thrown instanceof Error ? (/\n\s+at (.*)/.exec(thrown.stack ?? '')?.[1] ?? '') : '';
  return new LatchkeyError('internal', `This is a bug in latchkey: ${said}${place === '' ? '' : ` (at ${place})`}`, {
    cause: thrown,
  });
}

/**
 * Foreign text without the control characters by which a value could move a terminal's cursor or forge a line. Line feeds that
 * begin an indented line are ours (several settings at once) and stay.
 */
export function visible(text: string): string {
  return text.replace(/(?!\n {2})\p{Cc}/gu, (character) =>
    character < ' ' ? JSON.stringify(character).slice(1, -1) : `\\u00${character.charCodeAt(0).toString(16)}`,
  );
}

/**
 * A reporter beside the usual one, which says of a test file whose process died no more than "test failed": here it is how it ended, and
 * the last that it wrote to standard error.
 */
import { resolve } from 'node:path';
import type { TestEvent } from 'node:test/reporters';

const LAST_WORDS_LENGTH_MAX = 4000;

interface FileFailure {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** Only the failure of a file has them. */
function isOfFile(error: object): error is FileFailure {
  return 'exitCode' in error && 'signal' in error;
}

export default async function* tellCrashedFiles(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const lastWords = new Map<string, string>();
  for await (const event of source) {
    if (event.type === 'test:stderr') {
      const file = resolve(event.data.file);
      lastWords.set(file, `${lastWords.get(file) ?? ''}${event.data.message}`.slice(-LAST_WORDS_LENGTH_MAX));
    } else if (event.type === 'test:fail' && isOfFile(event.data.details.error)) {
      const { exitCode, signal } = event.data.details.error;
      const how = signal === null ? `with exit code ${exitCode}` : `by signal ${signal}`;
      const words = lastWords.get(resolve(event.data.file ?? event.data.name)) ?? '';
      yield `\nThe process of ${event.data.name} ended ${how}${words === '' ? ' and wrote nothing to standard error.' : `; it wrote last:\n${words}`}\n`;
    }
  }
}

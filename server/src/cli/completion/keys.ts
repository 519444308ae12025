import { processEnvironment } from '../../config/environment.ts';
import { writeOut } from '../output.ts';
import { bodyText, sendOk } from '../request.ts';
import { type ServerOptions, serverPlace } from '../server-options.ts';

/** Somebody sits before an empty prompt meanwhile. */
const TIMEOUT_MS = 500;
const KEYS_MAX = 100;

/**
 * `latchkey completion --keys PREFIX`: keys of the server, one a line, for the scripts. Bounded in time and count; a server that is
 * not there has no keys to offer, which is no error while somebody types.
 */
export async function printKeys(prefix: string, options: ServerOptions): Promise<void> {
  const query = new URLSearchParams({ limit: String(KEYS_MAX), values: 'false', ...(prefix === '' ? {} : { prefix }) });
  try {
    const place = serverPlace(options, processEnvironment);
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await sendOk(place, { path: `v1/keys?${query}`, timeoutMs: TIMEOUT_MS });
    signal.addEventListener('abort', () => response.destroy());
    const { entries } = JSON.parse(await bodyText(response)) as { entries: readonly { key: string }[] };
    // A key with a line break can't be offered line by line.
    const keys = entries.map(({ key }) => key).filter((key) => !/\p{Cc}/u.test(key));
    await writeOut(keys.map((key) => `${key}\n`).join(''));
  } catch {
    // Told by the command itself, should it be run.
  }
}

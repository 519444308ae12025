import { type Command, ERRORS, type ErrorCode, LatchkeyClient, LatchkeyError, type Outcome } from '@latchkey/client';
import { processEnvironment } from '../config/environment.ts';
import { printLine, remark, visible } from './output.ts';
import { type ServerOptions, serverPlace } from './server-options.ts';
import { printOutcome } from './set.ts';

export interface DeleteOptions extends ServerOptions {
  readonly key?: string;
  readonly pattern?: string;
  readonly dryRun?: boolean;
  readonly updated?: string;
  readonly ifVersion?: string;
}

/** `latchkey delete KEY` or `--pattern P [--dry-run]`; the keys that went (or would) are the result, one a line. */
export async function runDelete(argument: string | undefined, options: DeleteOptions): Promise<void> {
  const key = argument ?? options.key;
  if ((key === undefined) === (options.pattern === undefined)) {
    throw new LatchkeyError('usage', "delete takes a key, or --pattern P: one of them. --pattern '*' means every key.");
  }
  if (options.dryRun === true && options.pattern === undefined) {
    throw new LatchkeyError('usage', '--dry-run goes with --pattern.');
  }
  const client = new LatchkeyClient(serverPlace(options, processEnvironment));
  if (key === undefined) {
    return await printRemoved(
      await decide(client, {
        op: 'removeMatching',
        pattern: options.pattern as string,
        dryRun: options.dryRun === true,
      }),
      options,
    );
  }
  const outcome = await client.remove(key, {
    ...(options.updated === undefined ? {} : { updated: options.updated }),
    ...(options.ifVersion === undefined ? {} : { ifVersion: options.ifVersion }),
  });
  if (outcome.outcome === 'duplicate' && options.json !== true) remark('there was nothing under that key');
  await printOutcome(outcome, options.json === true ? JSON.stringify(outcome) : undefined);
}

async function decide(client: LatchkeyClient, command: Command): Promise<Outcome> {
  const outcome = (await client.commands([command]))[0] as Outcome;
  if (outcome.outcome !== 'refused') return outcome;
  const code = Object.hasOwn(ERRORS, outcome.code) ? (outcome.code as ErrorCode) : 'invalid-request';
  throw new LatchkeyError(code, outcome.message);
}

async function printRemoved(outcome: Outcome, options: DeleteOptions): Promise<void> {
  if (options.json === true) return await printLine(JSON.stringify(outcome));
  const keys = 'keys' in outcome ? (outcome.keys ?? []) : [];
  for (const key of keys) await printLine(visible(key));
  const count = 'removed' in outcome && outcome.removed !== undefined ? outcome.removed : keys.length;
  const more = 'truncated' in outcome && outcome.truncated === true ? ', of which not all are listed' : '';
  remark(`${count} ${count === 1 ? 'key' : 'keys'} ${options.dryRun === true ? 'would go' : 'removed'}${more}`);
}

import type { Batch } from './log.ts';

const COMMAND_OVERHEAD_BYTES = 64;

/** What a waiting batch holds in memory, roughly: enough for a bound. */
export function batchBytes(batch: Batch): number {
  let bytes = COMMAND_OVERHEAD_BYTES;
  for (const command of batch.commands) {
    bytes += COMMAND_OVERHEAD_BYTES;
    if (!('op' in command)) continue;
    if (command.op === 'put') bytes += command.value.data.length;
    else if (command.op === 'merge') bytes += command.patch.length;
  }
  for (const letter of batch.deadLetters?.add ?? []) bytes += letter.message.length;
  for (const { letter } of batch.deadLetters?.ifRefused ?? []) bytes += letter.message.length;
  return bytes;
}

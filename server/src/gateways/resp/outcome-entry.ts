import type { Outcome } from '../../commands/command.ts';
import type { Change } from '../../shared/change.ts';

/** What a `read` found. */
export function entryOf(outcome: Outcome): Change | undefined {
  return outcome.outcome === 'value' && 'entry' in outcome ? outcome.entry : undefined;
}

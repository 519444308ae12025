import type { KeyCommand, ObserveCommand, Refusal } from '../commands/command.ts';
import type { Settings } from '../config/settings.ts';
import type { Access } from '../shared/access.ts';
import type { Change } from '../shared/change.ts';
import type { View } from '../view/view.ts';
import type { DeadLetterTable } from './dead-letter-table.ts';
import type { IdempotencyTable } from './idempotency-table.ts';
import type { ProgressTable } from './progress-table.ts';
import type { Stage } from './stage.ts';

/** What a batch is decided with. */
export interface BatchParts {
  readonly view: View;
  readonly access: Access;
  readonly settings: Pick<Settings, 'limits' | 'deciding'>;
  readonly progress: ProgressTable;
  readonly idempotency: IdempotencyTable;
  readonly leases: {
    /** The fence that a lease is known to be at, where it is not this one. */
    fencedBy(lease: string, fence: number): number | undefined;
  };
  readonly deadLetters: DeadLetterTable;
  /** Of a log whose values lie where others write too. */
  readonly shared?: {
    /** The command as it is to be decided there, or why it can't be. */
    admit(command: KeyCommand, stage: Stage): KeyCommand | Refusal;
    /** What was found there was decided; `entry` is the key's last change since. */
    observed(command: ObserveCommand, entry: Change | undefined): void;
    /** The command comes to nothing, on what the key has here. */
    unchanged(command: KeyCommand, entry: Change | undefined): void;
  };
}

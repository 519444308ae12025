import { LatchkeyError } from '@latchkey/client';
import type { FastifyRequest } from 'fastify';
import type { Command, Outcome, Refusal } from '../commands/command.ts';
import type { Format } from '../formats/format.ts';
import type { DeadLetter } from '../log/dead-letter.ts';
import type { Core } from './gateway.ts';
import { outcomeJson, refusalError } from './outcome-json.ts';
import { submit } from './rest-write.ts';

/** `kept`: the letter stays where it is, and why. */
export type Replayed =
  | { readonly kind: 'applied'; readonly id: string; readonly outcomes: readonly string[] }
  | { readonly kind: 'readable'; readonly id: string; readonly commands: number }
  | { readonly kind: 'kept'; readonly id: string; readonly error: LatchkeyError };

export interface ReplayOptions {
  readonly dryRun: boolean;
  /** Takes the place of the letter's message. */
  readonly message?: Buffer;
}

/** Decodes dead letters again by their source's format of today, and submits what comes of it in the step that drops them. */
export class DeadLetterReplay {
  readonly #core: Core;
  readonly #request: FastifyRequest;

  constructor(core: Core, request: FastifyRequest) {
    this.#core = core;
    this.#request = request;
  }

  /** @throws LatchkeyError for faults of the log only: a letter that can't be replayed is `kept`. */
  async run(letter: DeadLetter, { dryRun, message }: ReplayOptions): Promise<Replayed> {
    const { id } = letter;
    const format = this.#formatFor(letter, message !== undefined);
    if (format instanceof LatchkeyError) return { kind: 'kept', id, error: format };
    const { channel, recordKey = channel } = letter.coordinates;
    const own = typeof recordKey === 'string' ? { recordKey } : {};
    const decoded = format.decode({ body: message ?? letter.message, headers: letter.headers, ...own });
    const commands = decoded.filter((command): command is Command => !('outcome' in command));
    const unreadable = decoded.find((command): command is Refusal => 'outcome' in command);
    if (unreadable !== undefined) return this.#keep(id, refusalError(unreadable), dryRun);
    if (dryRun) return { kind: 'readable', id, commands: commands.length };
    const outcomes = await this.#submit(id, commands);
    if (outcomes instanceof LatchkeyError) return this.#keep(id, outcomes, dryRun);
    return { kind: 'applied', id, outcomes: outcomes.map((outcome) => outcomeJson(outcome, this.#core.log.view)) };
  }

  #formatFor({ id, replays, source }: DeadLetter, isEdited: boolean): Format | LatchkeyError {
    const { replaysMax } = this.#core.settings.deadLetters;
    // An edited message is somebody's decision, not a loop.
    if (!isEdited && replays >= replaysMax) {
      const text = `Dead letter ${id} was replayed ${replays} times, and deadLetters.replaysMax is ${replaysMax}; send it edited, or delete it.`;
      return new LatchkeyError('invalid-request', text, { field: 'replays', limit: replaysMax });
    }
    const format = this.#core.replayer.formatOf(source);
    if (format !== undefined) return format;
    const text =
      `Dead letter ${id} came from the source ${JSON.stringify(source)}, which is not configured any more; ` +
      'configure it again, or write what the letter says by hand.';
    return new LatchkeyError('invalid-request', text, { field: 'source' });
  }

  // Atomic, so that a refusal keeps the letter whole. Late or conflicting commands have had their answer: the letter is done.
  async #submit(id: string, commands: readonly Command[]): Promise<readonly Outcome[] | LatchkeyError> {
    const deadLetters = { drop: [id] };
    const atomic = !commands.some(({ op }) => op === 'removeMatching');
    try {
      const { outcomes } = await submit(this.#core, this.#request, commands, atomic ? { atomic, deadLetters } : {});
      const culprit = outcomes.find(isRefused);
      if (culprit !== undefined) return refusalError(culprit);
      if (!atomic) await submit(this.#core, this.#request, [], { deadLetters });
      if (!atomic || !outcomes.some(({ outcome }) => outcome === 'late' || outcome === 'conflict')) return outcomes;
      return (await submit(this.#core, this.#request, commands, { deadLetters })).outcomes;
    } catch (error) {
      // What the log refuses, such as a batch too big to be atomic, it will refuse again; its faults are the caller's to tell.
      if (error instanceof LatchkeyError && !error.retryable) return error;
      throw error;
    }
  }

  async #keep(id: string, error: LatchkeyError, dryRun: boolean): Promise<Replayed> {
    if (!dryRun) await submit(this.#core, this.#request, [], { deadLetters: { countReplay: [id] } });
    return { kind: 'kept', id, error };
  }
}

function isRefused(outcome: Outcome): outcome is Refusal {
  return outcome.outcome === 'refused' && outcome.code !== 'atomic-aborted';
}

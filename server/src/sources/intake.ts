/**
 * Takes messages into the log: many in one durable step, with the source's progress and the lease's fence where there are some. It
 * stands between a source, which knows where messages come from, and the log, whose faults it waits over. It holds nothing: what is
 * not taken yet is still the source's.
 *
 * Invariant: messages are taken in the order they are given in, and those that are counted as taken are durable, or dead letters.
 */
import { LatchkeyError } from '@latchkey/client';
import type { Command, Outcome, Refusal } from '../commands/command.ts';
import type { Format, Message } from '../formats/format.ts';
import type { MessageOfCommands } from '../log/dead-letter.ts';
import type { Batch, Log, ProgressStep } from '../log/log.ts';
import { ANONYMOUS } from '../shared/access.ts';

/** One message on its way in. */
export interface Arrival {
  readonly message: Message;
  /** Where it came from, as its dead letter would tell, e.g. `{"channel":"update"}`. */
  readonly coordinates: Readonly<Record<string, unknown>>;
  /** The source's progress once it is taken; needed where a turn has a progress without `next`. */
  readonly offset?: string;
  /** What the source found wrong before any format could look at it. */
  readonly refusal?: Refusal;
}

/** Under what messages are taken. */
export interface IntakeTurn {
  readonly fence?: Batch['fence'] | undefined;
  /** Moved with the messages; `expected` is where the source is now. */
  readonly progress?: IntakeProgress;
}

export interface IntakeProgress extends Pick<ProgressStep, 'sourcePartition' | 'expected'> {
  /** Where it is once the first `count` messages are taken; absent: at the `offset` of the last of them. */
  readonly next?: (count: number) => string;
}

/** What became of one message. */
export interface Taken {
  readonly arrival: Arrival;
  /** What the format made of it; refusals stand in their places. */
  readonly commands: readonly (Command | Refusal)[];
  readonly outcomes: readonly Outcome[];
}

export interface IntakeSetup {
  readonly source: { readonly name: string; readonly kind: string };
  readonly log: Log;
  readonly format: Format;
  /** Called when the log can't take them now, with what it said: waits, and tells whether to try again. */
  readonly onFault: (error: LatchkeyError) => Promise<'again' | 'stop'>;
  /** The log took them: what `onFault` was told of is over. */
  readonly onTaken?: () => void;
}

/** Well within the 1,000 changes and 1 MiB of a step, as a command can make two changes and a letter holds the message again. */
const COMMANDS_MAX = 400;
const BYTES_MAX = 256 * 1024;

interface Decoded {
  readonly arrival: Arrival;
  readonly commands: readonly (Command | Refusal)[];
}

export class Intake {
  readonly #setup: IntakeSetup;
  readonly #origin: string;
  #applied = 0;
  #deadLettered = 0;

  constructor(setup: IntakeSetup) {
    this.#setup = setup;
    this.#origin = `${setup.source.kind}:${setup.source.name}`;
  }

  /** Changes made, and messages that became dead letters. */
  get counts(): { readonly applied: number; readonly deadLettered: number } {
    return { applied: this.#applied, deadLettered: this.#deadLettered };
  }

  /**
   * Takes all of them, in as many steps as that needs, and resolves when they are durable; fewer are answered where `onFault` said
   * `stop`, always the first ones. `onStep` is told of each step's as soon as they are.
   * @throws LatchkeyError `conflict` once another node has the lease, `progress-mismatch`; those of the steps before are taken
   */
  async take(
    arrivals: readonly Arrival[],
    turn: IntakeTurn = {},
    onStep?: (taken: readonly Taken[]) => void,
  ): Promise<readonly Taken[]> {
    const { format } = this.#setup;
    const taken: Taken[] = [];
    let expected = turn.progress?.expected ?? null;
    const nextOf = turn.progress?.next ?? ((count: number) => arrivals[count - 1]?.offset ?? '');
    const pending = portionsOf(arrivals.map((arrival) => ({ arrival, commands: decode(arrival, format) })));
    for (let portion = pending.shift(); portion !== undefined; portion = pending.shift()) {
      const next = nextOf(taken.length + portion.length);
      const result = await this.#submit(portion, this.#turnOf(turn, expected, next));
      if (result === 'stop') return taken;
      if (result === 'too-big') {
        const half = Math.ceil(portion.length / 2);
        pending.unshift(portion.slice(0, half), portion.slice(half));
        continue;
      }
      expected = next;
      taken.push(...result);
      onStep?.(result);
    }
    return taken;
  }

  /** Moves the progress alone. @throws LatchkeyError as `take` */
  async keep(
    fence: Batch['fence'],
    progress: Pick<ProgressStep, 'sourcePartition' | 'expected' | 'next'>,
  ): Promise<void> {
    const { expected, next, sourcePartition } = progress;
    const turn = this.#turnOf({ fence, progress: { sourcePartition, expected } }, expected, next);
    await this.#setup.log.submit({ principal: ANONYMOUS, commands: [], ...turn });
  }

  /** Those of one step; a single message that no step can hold is taken by itself. */
  async #submit(portion: readonly Decoded[], turn: Pick<Batch, 'fence' | 'progress'>) {
    const { source } = this.#setup;
    const frame = { principal: ANONYMOUS, origin: this.#origin, ...turn };
    const commands = portion.flatMap((each) => each.commands);
    const ifRefused = messagesOf(portion, source.name);
    try {
      const settled = await this.#waitingOver({ ...frame, commands, deadLetters: { ifRefused } });
      return settled === 'stop' ? settled : this.#count(portion, settled);
    } catch (error) {
      if (!isTooBig(error)) throw error;
      return portion.length > 1 ? 'too-big' : await this.#takeBig(portion[0] as Decoded, frame, error);
    }
  }

  /**
   * What removes by pattern may take as many steps as there are keys: it is done first, so that a crash in between repeats removals.
   * Anything else that one step can't hold is a dead letter.
   */
  async #takeBig({ arrival, commands }: Decoded, frame: Omit<Batch, 'commands'>, error: LatchkeyError) {
    const letter = letterOf(arrival, this.#setup.source.name);
    const { code, message } = error;
    const isRemoving = commands.some((command) => 'op' in command && command.op === 'removeMatching');
    let outcomes: readonly Outcome[] = commands.map(() => ({ outcome: 'refused', code, message }));
    if (isRemoving) {
      const { fence, progress, ...unbound } = frame;
      const settled = await this.#waitingOver({ ...unbound, commands });
      if (settled === 'stop') return settled;
      outcomes = settled;
    }
    const refused = outcomes.find((outcome) => outcome.outcome === 'refused');
    const add = refused === undefined ? [] : [{ ...letter, reason: { code: refused.code, message: refused.message } }];
    const settled = await this.#waitingOver({ ...frame, commands: [], deadLetters: { add } });
    return settled === 'stop' ? settled : this.#count([{ arrival, commands }], outcomes);
  }

  #turnOf({ fence, progress }: IntakeTurn, expected: string | null, next: string): Pick<Batch, 'fence' | 'progress'> {
    const { name: source } = this.#setup.source;
    const step = progress && { source, sourcePartition: progress.sourcePartition, expected, next };
    return { ...(fence === undefined ? {} : { fence }), ...(step === undefined ? {} : { progress: step }) };
  }

  async #waitingOver(batch: Batch): Promise<readonly Outcome[] | 'stop'> {
    for (;;) {
      try {
        const { outcomes } = await this.#setup.log.submit(batch);
        this.#setup.onTaken?.();
        return outcomes;
      } catch (error) {
        // What the log kept nothing of can be given to it again; a lease or progress that moved on is the source's to know.
        if (!(error instanceof LatchkeyError) || !error.retryable) throw error;
        if ((await this.#setup.onFault(error)) === 'stop') return 'stop';
      }
    }
  }

  #count(portion: readonly Decoded[], outcomes: readonly Outcome[]): readonly Taken[] {
    let from = 0;
    return portion.map(({ arrival, commands }) => {
      const own = outcomes.slice(from, from + commands.length);
      from += commands.length;
      for (const outcome of own) if (outcome.outcome === 'applied') this.#applied += removedBy(outcome) ?? 1;
      if (own.some(({ outcome }) => outcome === 'refused')) this.#deadLettered += 1;
      return { arrival, commands, outcomes: own };
    });
  }
}

function decode({ message, refusal }: Arrival, format: Format): readonly (Command | Refusal)[] {
  return refusal === undefined ? format.decode(message) : [refusal];
}

function removedBy(outcome: Extract<Outcome, { outcome: 'applied' }>): number | undefined {
  return 'removed' in outcome ? outcome.removed : undefined;
}

/** In order, each as much as a step is sure to hold; a message is never split. */
function portionsOf(decoded: readonly Decoded[]): Decoded[][] {
  const portions: Decoded[][] = [];
  let commands = 0;
  let bytes = 0;
  for (const each of decoded) {
    commands += each.commands.length;
    bytes += each.arrival.message.body.length;
    const last = portions.at(-1);
    if (last !== undefined && commands <= COMMANDS_MAX && bytes <= BYTES_MAX) last.push(each);
    else {
      portions.push([each]);
      commands = each.commands.length;
      bytes = each.arrival.message.body.length;
    }
  }
  return portions;
}

function messagesOf(portion: readonly Decoded[], source: string): readonly MessageOfCommands[] {
  let from = 0;
  return portion.map(({ arrival, commands }) => {
    const to = from + commands.length;
    const message = { from, to, letter: letterOf(arrival, source) };
    from = to;
    return message;
  });
}

function letterOf({ coordinates, message }: Arrival, source: string): MessageOfCommands['letter'] {
  const { body, headers = {}, recordKey } = message;
  // The letter is decoded again from its bytes and headers, so what `{$key}` stands for is found in its coordinates.
  const isThere = recordKey === undefined || coordinates.channel === recordKey;
  return {
    source,
    coordinates: isThere ? coordinates : { ...coordinates, recordKey },
    message: body,
    headers,
  };
}

function isTooBig(error: unknown): error is LatchkeyError {
  return error instanceof LatchkeyError && error.code === 'batch-too-big';
}

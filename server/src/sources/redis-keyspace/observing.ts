/**
 * Carries what is found under noticed keys into the log. It stands between the reader of the keys and the log, whose faults it waits
 * over; it holds one group of values and decides nothing: the log records what differs.
 *
 * Invariant: observations of a key are submitted in the order in which it was read.
 */
import { LatchkeyError } from '@latchkey/client';
import type { ObserveCommand } from '../../commands/command.ts';
import type { Batch, Log } from '../../log/log.ts';
import { ANONYMOUS } from '../../shared/access.ts';
import { payloadBytes } from '../../shared/change.ts';
import type { KeyReader } from './key-reader.ts';
import type { Noticed } from './noticed-keys.ts';
import { type KeyFault, observationOf } from './observation.ts';

export interface ObservingSetup {
  readonly reader: KeyReader;
  readonly log: Log;
  readonly origin: string;
  readonly fence: Batch['fence'];
  readonly valueBytesMax: number;
  /** Whether the log keeps its values at that Redis too: a key of the same name is then its own. */
  readonly isOfLog: boolean;
  /** Called when the log can't take them now: waits, and tells whether to try again. */
  readonly onFault: (error: LatchkeyError) => Promise<'again' | 'stop'>;
  /** The log took observations, of which so many became changes. */
  readonly onTaken: (changes: number) => void;
  /** A key that is followed no further until it changes. */
  readonly onSkipped: (key: Noticed, fault: KeyFault) => void;
  /** A key that is to be read again. */
  readonly onChanging: (key: Noticed) => void;
}

/** Well within the 1,000 changes and 1 MiB of a step, as an observation can make two changes. */
const COMMANDS_MAX = 400;
const BYTES_MAX = 512 * 1024;

interface Observation {
  readonly key: Noticed;
  readonly command: ObserveCommand;
}

export class Observing {
  readonly #setup: ObservingSetup;

  constructor(setup: ObservingSetup) {
    this.#setup = setup;
  }

  /** Resolves when what is under the keys now is durable; `stop` where `onFault` said so. @throws LatchkeyError `conflict` */
  async look(keys: readonly Noticed[]): Promise<'done' | 'stop'> {
    const { isOfLog, log, onChanging, onSkipped, reader, valueBytesMax } = this.#setup;
    for await (const readings of reader.read(keys)) {
      const observations: Observation[] = [];
      for (const reading of readings) {
        const { key } = reading;
        const { command, fault, isChanging } = observationOf(reading, log.view.get(key.entryKey), valueBytesMax);
        if (isChanging === true) onChanging(key);
        if (fault !== undefined) onSkipped(key, fault);
        const isAtHome = isOfLog && key.entryKey === key.redisKey;
        if (command !== undefined) observations.push({ key, command: isAtHome ? { ...command, isAtHome } : command });
      }
      if ((await this.#submit(observations)) === 'stop') return 'stop';
    }
    return 'done';
  }

  async #submit(observations: readonly Observation[]): Promise<'done' | 'stop'> {
    const pending = portionsOf(observations);
    for (let portion = pending.shift(); portion !== undefined; portion = pending.shift()) {
      const result = await this.#submitPortion(portion);
      if (result === 'stop') return result;
      if (result === 'done') continue;
      const half = Math.ceil(portion.length / 2);
      // Where even one does not fit, it is the value that is too big.
      if (portion.length > 1) pending.unshift(portion.slice(0, half), portion.slice(half));
      else this.#setup.onSkipped((portion[0] as Observation).key, 'size');
    }
    return 'done';
  }

  async #submitPortion(portion: readonly Observation[]): Promise<'done' | 'too-big' | 'stop'> {
    const { fence, log, onTaken, onFault, onSkipped, origin } = this.#setup;
    const commands = portion.map(({ command }) => command);
    const batch: Batch = { commands, principal: ANONYMOUS, origin, ...(fence === undefined ? {} : { fence }) };
    for (;;) {
      try {
        const { outcomes } = await log.submit(batch);
        onTaken(outcomes.filter(({ outcome }) => outcome === 'applied').length);
        outcomes.forEach(({ outcome }, index) => {
          if (outcome === 'refused') onSkipped((portion[index] as Observation).key, 'refused');
        });
        return 'done';
      } catch (error) {
        if (error instanceof LatchkeyError && error.code === 'batch-too-big') return 'too-big';
        if (!(error instanceof LatchkeyError) || !error.retryable) throw error;
        if ((await onFault(error)) === 'stop') return 'stop';
      }
    }
  }
}

function portionsOf(observations: readonly Observation[]): Observation[][] {
  const portions: Observation[][] = [];
  let bytes = 0;
  for (const observation of observations) {
    const { found } = observation.command;
    const own = found === undefined ? 0 : payloadBytes(found);
    const last = portions.at(-1);
    bytes += own;
    if (last !== undefined && last.length < COMMANDS_MAX && bytes <= BYTES_MAX) last.push(observation);
    else {
      portions.push([observation]);
      bytes = own;
    }
  }
  return portions;
}

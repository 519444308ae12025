import type { Outcome } from '../commands/command.ts';
import type { View } from '../view/view.ts';
import type { DecodedCommands } from './gateway.ts';
import { outcomeJson } from './outcome-json.ts';

/** What a line takes as a rule. */
const LINE_BYTES = 64;
const ZERO = 0x30;
const LINE_BREAK = 0x0a;
const COMMA = 0x2c;
const DOT = 0x2e;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const APPLIED = '{"outcome":"applied","version":"';
const END = '"}';

/** The outcomes of a batch in the form of its commands, written straight into the bytes of the answer. */
export function outcomesBody(outcomes: readonly Outcome[], view: View, form: DecodedCommands['form']): Buffer {
  const body = new Body(outcomes.length * LINE_BYTES + 2);
  const isPlace = view.partitions === 1;
  if (form === 'array') body.byte(OPEN_BRACKET);
  for (let index = 0; index < outcomes.length; index += 1) {
    if (form === 'array' && index > 0) body.byte(COMMA);
    const outcome = outcomes[index] as Outcome;
    if (isPlace && outcome.outcome === 'applied' && !('removed' in outcome) && outcome.previous === undefined) {
      body.applied(outcome.version.epoch, outcome.version.offset);
    } else body.text(outcomeJson(outcome, view));
    if (form === 'ndjson') body.byte(LINE_BREAK);
  }
  if (form === 'array') body.byte(CLOSE_BRACKET);
  return body.bytes();
}

/** Bytes that grow by what is written. */
class Body {
  #memory: Buffer;
  #end = 0;

  constructor(bytes: number) {
    this.#memory = Buffer.allocUnsafe(bytes);
  }

  byte(code: number): void {
    this.#reserve(1);
    this.#memory[this.#end] = code;
    this.#end += 1;
  }

  text(text: string): void {
    this.#reserve(text.length * 3);
    this.#end += this.#memory.write(text, this.#end, 'utf8');
  }

  applied(epoch: string, offset: number): void {
    this.#reserve(2 * LINE_BYTES);
    this.#ascii(APPLIED);
    this.#ascii(epoch);
    this.#memory[this.#end] = DOT;
    this.#end += 1;
    this.#digits(offset);
    this.#ascii(END);
  }

  bytes(): Buffer {
    return this.#memory.subarray(0, this.#end);
  }

  // For texts this short a loop costs less than a call into Node.
  #ascii(text: string): void {
    const memory = this.#memory;
    const end = this.#end;
    for (let index = 0; index < text.length; index += 1) memory[end + index] = text.charCodeAt(index);
    this.#end = end + text.length;
  }

  #digits(number: number): void {
    let count = 1;
    for (let rest = number; rest >= 10; rest /= 10) count += 1;
    let rest = number;
    for (let index = this.#end + count - 1; index >= this.#end; index -= 1) {
      const next = Math.floor(rest / 10);
      this.#memory[index] = ZERO + (rest - next * 10);
      rest = next;
    }
    this.#end += count;
  }

  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#memory.length) return;
    const memory = Buffer.allocUnsafe(Math.max(this.#end + bytes, this.#memory.length * 2));
    this.#memory.copy(memory, 0, 0, this.#end);
    this.#memory = memory;
  }
}

/**
 * Puts under idempotency keys. One that is not answered is sent again with the same key until it is; some are sent twice at once,
 * some again long after they were answered, and some keys come again with another value.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Outcome } from '@latchkey/client';
import { sendCommands } from '../support/http-client.ts';
import type { Keyed, Put } from './recorder.ts';
import { WriteMaker, type WriterOptions } from './write-maker.ts';
import { codeOf, loop, putByKey } from './writers.ts';

const TWICE_CHANCE = 0.15;
const AGAIN_CHANCE = 0.25;
const OTHER_CHANCE = 0.1;
const HELD_MAX = 40;
/** At the end of a run the server is up: who is not answered then never will be. */
const TRIES_MAX = 1000;
const RETRY_MS = 5;
const FINAL = /^(applied|duplicate|late|conflict|idempotency-mismatch)/;

interface Asked {
  readonly put: Put;
  readonly keyed: Keyed;
  readonly byKey: boolean;
}

export function writeWithKeys(options: WriterOptions): Promise<void> {
  const { name, recorder, target } = options;
  const maker = new WriteMaker(options);
  const random = target.random.fork();
  const held: Asked[] = [];
  let made = 0;

  /** How it was answered, once it was. */
  async function answered(asked: Asked, put: Put): Promise<Outcome | string> {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      await target.up();
      try {
        const answer = await (asked.byKey ? sendByKey : sendInBatch)(target.url, put, asked.keyed.idempotencyKey);
        if (FINAL.test(textOf(answer))) return answer;
      } catch {
        recorder.unanswered += 1;
      }
      await sleep(RETRY_MS);
    }
    throw new Error(`the put under ${asked.keyed.idempotencyKey} was not answered in ${TRIES_MAX} tries`);
  }

  async function again(asked: Asked): Promise<Outcome | string> {
    const answer = await answered(asked, asked.put);
    asked.keyed.answers.push(textOf(answer));
    return answer;
  }

  return loop(options, async () => {
    made += 1;
    const put = maker.put();
    const hasCondition = put.ifAbsent === true || put.ifVersion !== undefined;
    const idempotencyKey = `${name}-${made}`;
    const content = JSON.stringify(put.value);
    const keyed: Keyed = { writer: name, idempotencyKey, content, answers: [], others: [] };
    const asked = { put, keyed, byKey: !hasCondition && random.chance(0.5) };
    recorder.keyed.push(keyed);
    const [sentAt, after] = [recorder.tick(), recorder.lastAcked];
    const both = random.chance(TWICE_CHANCE) ? [again(asked), again(asked)] : [again(asked)];
    const [answer] = await Promise.all(both);
    if (typeof answer === 'object' && recorder.outcome(name, put, sentAt, after, answer)) target.countAcks(1);
    held.push(asked);
    if (held.length > HELD_MAX) held.splice(random.between(0, HELD_MAX), 1);
    if (random.chance(AGAIN_CHANCE)) await again(random.pick(held));
    if (!random.chance(OTHER_CHANCE)) return;
    const other = maker.other(put);
    keyed.others.push({ content: JSON.stringify(other.value), answer: textOf(await answered(asked, other)) });
  });
}

function textOf(answer: Outcome | string | undefined): string {
  if (typeof answer !== 'object') return String(answer);
  if (answer.outcome === 'refused') return answer.code;
  return 'version' in answer ? `${answer.outcome} ${answer.version}` : answer.outcome;
}

/** The outcome, or the code of an error. */
async function sendByKey(url: string, put: Put, idempotencyKey: string): Promise<Outcome | string> {
  const { json, status } = await putByKey(url, put, { 'idempotency-key': idempotencyKey });
  return status === 200 ? (json as Outcome) : codeOf(json);
}

async function sendInBatch(url: string, put: Put, idempotencyKey: string): Promise<Outcome | string> {
  const [outcome] = await sendCommands(url, [{ ...put, idempotencyKey }]);
  return outcome as Outcome;
}

/** Who reads beside the writers: what they are shown must stay, and must be no older than what they ask for. */
import { formatVersion, parsePosition } from '@latchkey/client';
import { sightOf, type WireChange } from '../../server/src/verify/sight.ts';
import { get } from '../support/http-client.ts';
import type { WriterOptions } from './write-maker.ts';
import { codeOf, loop } from './writers.ts';

const RARE_CHANCE = 0.2;

function pickKey({ busyKeys, rareKeys }: WriterOptions, random: WriterOptions['target']['random']): string {
  return random.pick(random.chance(RARE_CHANCE) ? rareKeys : busyKeys);
}

/** Plain reads of random keys. */
export function readKeys(options: WriterOptions): Promise<void> {
  const { recorder, target } = options;
  const random = target.random.fork();
  return loop(options, async () => {
    const answer = await get(target.url, pickKey(options, random), '?meta=true');
    if (answer.status === 200) recorder.read(answer.json as WireChange);
  });
}

/** Reads what somebody was told to be written, by its version as `minPosition`: from a server that may not have had it yet. */
export function readWritten(options: WriterOptions): Promise<void> {
  const { name, recorder, target } = options;
  const random = target.random.fork();
  return loop(options, async () => {
    const key = pickKey(options, random);
    const written = recorder.lastOf(key);
    if (written === undefined) return new Promise((done) => setImmediate(done));
    const version = formatVersion(written, 1);
    const { headers, json, status } = await get(target.url, key, `?meta=true&minPosition=${version}`);
    if (status === 200) {
      const change = json as WireChange;
      recorder.read(change);
      recorder.shown({ reader: name, written, at: sightOf(change).offset, isAbsent: false });
    } else if (status === 404) {
      const at = parsePosition(headers.get('latchkey-position') ?? '').components[0]?.offset ?? 0;
      recorder.shown({ reader: name, written, at, isAbsent: true });
    } else recorder.countRefusal(codeOf(json));
  });
}

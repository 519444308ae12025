/** What `npm run bench` measures, in the order of its table: a measurement is one line here and a file of its own. */

import { cli } from './cli.ts';
import { fanOut, fanOutWebsocket } from './fan-out.ts';
import { farBehind } from './far-behind.ts';
import type { Measurement } from './figures.ts';
import { idle } from './idle.ts';
import { ingest } from './ingest.ts';
import { latency } from './latency.ts';
import { pacedFanOut } from './paced-fan-out.ts';
import { reads } from './reads.ts';
import { redisFill } from './redis-fill.ts';
import { redisIngest } from './redis-ingest.ts';
import { redisNodes } from './redis-nodes.ts';
import { redisPubsubLatency } from './redis-pubsub-latency.ts';
import { resp } from './resp.ts';
import { resume } from './resume.ts';
import { shortAbsence } from './short-absence.ts';
import { snapshot } from './snapshot.ts';
import { stalled } from './stalled.ts';
import { start } from './start.ts';

export const MEASUREMENTS: readonly Measurement[] = [
  { name: 'ingest', measure: ingest },
  { name: 'redis-ingest', measure: redisIngest },
  { name: 'redis-nodes', measure: redisNodes },
  { name: 'redis-fill', measure: redisFill, repeatsMax: 1 },
  { name: 'fan-out', measure: fanOut },
  { name: 'fan-out-websocket', measure: fanOutWebsocket },
  { name: 'paced-fan-out', measure: pacedFanOut },
  { name: 'stalled', measure: stalled, repeatsMax: 1 },
  { name: 'far-behind', measure: farBehind, repeatsMax: 1 },
  { name: 'short-absence', measure: shortAbsence },
  { name: 'latency', measure: latency },
  { name: 'idle', measure: idle },
  { name: 'reads', measure: reads },
  { name: 'resp', measure: resp },
  { name: 'redis-pubsub-latency', measure: redisPubsubLatency },
  { name: 'snapshot', measure: snapshot },
  { name: 'resume', measure: resume },
  { name: 'start', measure: start },
  { name: 'cli', measure: cli },
];

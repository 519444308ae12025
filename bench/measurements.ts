/** What `npm run bench` measures, in the order of its table: a measurement is one line here and a file of its own. */
import { fanOut, fanOutWebsocket } from './fan-out.ts';
import type { Measurement } from './figures.ts';
import { idle } from './idle.ts';
import { ingest } from './ingest.ts';
import { latency } from './latency.ts';
import { reads } from './reads.ts';
import { resume } from './resume.ts';
import { snapshot } from './snapshot.ts';
import { start } from './start.ts';

export const MEASUREMENTS: readonly Measurement[] = [
  { name: 'ingest', measure: ingest },
  { name: 'fan-out', measure: fanOut },
  { name: 'fan-out-websocket', measure: fanOutWebsocket },
  { name: 'latency', measure: latency },
  { name: 'idle', measure: idle },
  { name: 'reads', measure: reads },
  { name: 'snapshot', measure: snapshot },
  { name: 'resume', measure: resume },
  { name: 'start', measure: start },
];

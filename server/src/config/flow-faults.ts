import type { Fault } from './fault.ts';
import type { Settings } from './settings.ts';
import { templateFaults } from './sink-faults.ts';

/** What is wrong with sources and sinks, which no single setting can tell. */
export function flowFaults({ resp, sinks, sources }: Pick<Settings, 'resp' | 'sinks' | 'sources'>): Fault[] {
  const faults: Fault[] = [];
  const names = new Set<string>();
  const named = [
    ...sources.map(({ name }, index) => ({ name, path: `sources[${index}].name` })),
    ...sinks.map(({ name }, index) => ({ name, path: `sinks[${index}].name` })),
  ];
  for (const { name, path } of named) {
    if (names.has(name))
      faults.push({ path, says: `is ${name}, as another source or sink is called; give each its own name` });
    names.add(name);
  }
  sources.forEach((source, index) => {
    const path = `sources[${index}]`;
    if (source.kind === 'redis-pubsub') {
      if (source.channels.length + source.patterns.length === 0)
        faults.push({ path, says: 'has no channels and no patterns; name what it subscribes to' });
      if (source.url === 'resp' && resp.listen === '')
        faults.push({ path: `${path}.url`, says: 'is resp, but the gateway listens nowhere; set resp.listen too' });
    }
    if (source.kind === 'redis-stream' && source.streams.length === 0)
      faults.push({ path: `${path}.streams`, says: 'is empty; name the streams that it reads' });
    if (source.kind === 'redis-keyspace' && source.patterns.length === 0)
      faults.push({
        path: `${path}.patterns`,
        says: 'is empty; name the keys that it follows, or leave it out for all of them',
      });
  });
  sinks.forEach((sink, index) => {
    const { channel, indexSet } = sink;
    const path = `sinks[${index}]`;
    if (channel === '' && indexSet === null)
      faults.push({ path, says: 'has neither a channel nor an indexSet, so it would do nothing; set one' });
    if (indexSet !== null && (indexSet.fromKey === '' || indexSet.member === ''))
      faults.push({ path: `${path}.indexSet`, says: 'takes key, fromKey and member together' });
    faults.push(...templateFaults(sink, path));
  });
  return faults;
}

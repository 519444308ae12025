import { processEnvironment } from '../config/environment.ts';
import { printLine } from './output.ts';
import { grouped } from './progress-bar.ts';
import { sendForJson } from './request.ts';
import { type ServerOptions, serverPlace } from './server-options.ts';
import { type Column, tableLines } from './table.ts';

interface Status {
  readonly log: { readonly epoch: string; readonly head: number | readonly number[] };
  readonly sources: readonly Part[];
  readonly sinks: readonly Part[];
  readonly feed: { readonly watchers: number; readonly behind: number };
}

interface Part {
  readonly name: string;
  readonly kind: string;
  readonly ready: boolean;
  readonly reason?: string;
}

const COLUMNS: readonly Column[] = [{ title: 'WHAT' }, { title: 'NAME' }, { title: 'STATE' }];

/** `latchkey lag`: who is behind the log: watchers by their number, sources and sinks one by one. */
export async function runLag(options: ServerOptions): Promise<void> {
  const { value } = await sendForJson(serverPlace(options, processEnvironment), { path: 'v1/status' });
  const { feed, log, sinks, sources } = value as Status;
  const { epoch, head } = log;
  if (options.json === true) {
    const { behind, watchers } = feed;
    return await printLine(JSON.stringify({ epoch, head, watchers: { count: watchers, behind }, sources, sinks }));
  }
  const rows = [
    ['log', epoch, `head ${[head].flat().map(grouped).join(', ')}`],
    ['watchers', '', `${grouped(feed.behind)} of ${grouped(feed.watchers)} behind`],
    ...sources.map((each) => ['source', each.name, stateOf(each)]),
    ...sinks.map((each) => ['sink', each.name, stateOf(each)]),
  ];
  for (const line of tableLines(COLUMNS, rows, { withTitles: true })) await printLine(line);
}

function stateOf({ kind, ready, reason }: Part): string {
  return ready ? `${kind}, ready` : `${kind}, not ready: ${reason ?? 'it gives no reason'}`;
}

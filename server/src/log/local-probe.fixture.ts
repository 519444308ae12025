import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LatchkeyError } from '@latchkey/client';
import type { LogProbe } from '../../../test/conformance/log.suite.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { DEFAULT_SETTINGS, type Settings } from '../config/settings.ts';
import { type Access, openAccess } from '../shared/access.ts';
import { LmdbView } from '../view/lmdb.ts';
import { LocalLog } from './local.ts';

export interface LocalProbe extends LogProbe {
  open(settings?: (defaults: Settings) => Settings): Promise<LocalLog>;
  reopen(): Promise<LocalLog>;
  failNextStep(): void;
  /** Called before each transaction. */
  onStep: () => void;
  readonly directory: string;
  /** Faults that were reported, but for the full disk that a test made. */
  readonly faults: unknown[];
}

/** The log `local` over a directory of its own, with a clock that the test sets. `onDurable` is called at each durable step. */
export async function makeLocalProbe(access: Access = openAccess, onDurable = () => {}): Promise<LocalProbe> {
  const directory = await mkdtemp(join(tmpdir(), 'latchkey-log-'));
  const clock = new ManualClock();
  const faults: unknown[] = [];
  const reportFault = (_stage: string, error: unknown) => {
    if (!(error instanceof LatchkeyError && error.code === 'storage-full')) faults.push(error);
  };
  let settings: Settings = DEFAULT_SETTINGS;
  let log: LocalLog | undefined;
  let failures = 0;
  const beforeCommit = () => {
    probe.onStep();
    if (failures === 0) return;
    failures -= 1;
    throw new Error('no space left on device');
  };
  const open = async () => {
    const view = await LmdbView.open({ directory, settings, clock, reportFault, beforeCommit, onStep: onDurable });
    log = await LocalLog.open({ view, access, clock, settings, reportFault });
    return log;
  };
  const probe: LocalProbe = {
    clock,
    directory,
    faults,
    onStep: () => undefined,
    open: (change) => {
      settings = change === undefined ? DEFAULT_SETTINGS : change(DEFAULT_SETTINGS);
      return open();
    },
    reopen: async () => {
      await log?.close();
      return open();
    },
    settleDue: async () => log?.settleDue(),
    failNextStep: () => {
      failures += 1;
    },
    close: async () => {
      await log?.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
  return probe;
}

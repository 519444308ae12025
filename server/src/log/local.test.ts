import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LatchkeyError } from '@latchkey/client';
import { type LogProbe, logSuite } from '../../../test/conformance/log.suite.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { DEFAULT_SETTINGS, type Settings } from '../config/settings.ts';
import { openAccess } from '../shared/access.ts';
import { LmdbView } from '../view/lmdb.ts';
import { LocalLog } from './local.ts';

async function makeProbe(): Promise<LogProbe> {
  const directory = await mkdtemp(join(tmpdir(), 'latchkey-log-'));
  const clock = new ManualClock();
  const reportFault = (stage: string, error: unknown) => {
    if (error instanceof LatchkeyError && error.code === 'storage-full') return;
    throw new Error(`a fault was reported by ${stage}`, { cause: error });
  };
  let settings: Settings = DEFAULT_SETTINGS;
  let log: LocalLog | undefined;
  let failures = 0;
  const open = async () => {
    const view = await LmdbView.open({
      directory,
      settings,
      clock,
      reportFault,
      beforeCommit: () => {
        if (failures === 0) return;
        failures -= 1;
        throw new Error('no space left on device');
      },
    });
    log = await LocalLog.open({ view, access: openAccess, clock, settings, reportFault });
    return log;
  };
  return {
    clock,
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
}

logSuite('local', makeProbe);

import assert from 'node:assert/strict';
import { logSuite } from '../../../test/conformance/log.suite.ts';
import { makeLocalProbe } from './local-probe.fixture.ts';

logSuite('local', async () => {
  const probe = await makeLocalProbe();
  const close = async () => {
    await probe.close();
    assert.deepEqual(probe.faults, [], 'no fault was reported');
  };
  return { ...probe, close };
});

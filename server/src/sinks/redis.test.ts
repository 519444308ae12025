import { sinkSuite } from '../../../test/conformance/sink.suite.ts';
import { makeRedisProbe } from './redis-probe.fixture.ts';

sinkSuite('redis', makeRedisProbe);

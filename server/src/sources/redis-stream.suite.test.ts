import { sourceSuite } from '../../../test/conformance/source.suite.ts';
import { makeStreamProbe } from './redis-stream-probe.fixture.ts';

sourceSuite('redis-stream', makeStreamProbe);

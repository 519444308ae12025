import { sourceSuite } from '../../../test/conformance/source.suite.ts';
import { makePubsubProbe } from './redis-pubsub-probe.fixture.ts';

sourceSuite('redis-pubsub', makePubsubProbe);

import { sourceSuite } from '../../../test/conformance/source.suite.ts';
import { makeKeyspaceSuiteProbe } from './redis-keyspace-probe.fixture.ts';

sourceSuite('redis-keyspace', makeKeyspaceSuiteProbe);

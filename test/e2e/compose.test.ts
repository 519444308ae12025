// compose.yaml is for machines with Docker, which the tests have not: here it is held to what it must say.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { ROOT } from '../support/server-process.ts';

interface Service {
  readonly image: string;
  readonly command: readonly string[];
  readonly ports: readonly string[];
  readonly healthcheck: { readonly test: readonly string[] };
}

const { services } = parse(readFileSync(join(ROOT, 'compose.yaml'), 'utf8'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
};
const KEYDB = ['keydb_01', 'keydb_02', 'keydb_03'];

/** The words after each occurrence of an option. */
function after(command: readonly string[], option: string, words: number): readonly string[] {
  return command.flatMap((each, at) => (each === option ? [command.slice(at + 1, at + 1 + words).join(' ')] : []));
}

describe('compose.yaml', () => {
  test('has Redis, Valkey and three KeyDB nodes, each with events, its own port on this machine alone and a health check', () => {
    assert.deepEqual(Object.keys(services), ['redis', 'valkey', ...KEYDB]);
    for (const [name, service] of Object.entries(services)) {
      assert.match(service.image, /^[\w/]+:[\w.-]+$/, name);
      assert.doesNotMatch(service.image, /:latest$/, name);
      assert.deepEqual(after(service.command, '--notify-keyspace-events', 1), ['KEA'], name);
      assert.match(service.ports.join(), /^127\.0\.0\.1:\d+:6379$/, name);
      assert.ok(service.command.every((word) => typeof word === 'string') && service.healthcheck.test.length > 0, name);
    }
    const ports = Object.values(services).flatMap((service) => service.ports);
    assert.equal(new Set(ports).size, ports.length);
  });

  test('each KeyDB node takes writes and follows the two others', () => {
    for (const name of KEYDB) {
      const command = services[name]?.command ?? [];
      assert.deepEqual(after(command, '--active-replica', 1), ['yes'], name);
      assert.deepEqual(after(command, '--multi-master', 1), ['yes'], name);
      const others = KEYDB.filter((other) => other !== name).map((other) => `${other} 6379`);
      assert.deepEqual(after(command, '--replicaof', 2), others, name);
    }
  });
});

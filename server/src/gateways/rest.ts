import type { FastifyInstance } from 'fastify';
import type { Core, Gateway } from './gateway.ts';
import { KeyWaiters } from './key-waiters.ts';
import { postCommands } from './rest-commands.ts';
import {
  dropDeadLetter,
  getDeadLetter,
  listDeadLetters,
  replayDeadLetter,
  replayDeadLetters,
} from './rest-dead-letters.ts';
import { listKeys, removeKeys } from './rest-list.ts';
import { PlainKeyReader } from './rest-plain-read.ts';
import { KeyReader } from './rest-read.ts';
import { getSource, listSources } from './rest-sources.ts';
import { patchKey, putKey, removeKey } from './rest-write.ts';

/** Keys, commands, source progress and dead letters over plain HTTP. Shapes: WIRE, "HTTP". */
export const restGateway: Gateway = {
  name: 'rest',
  register(http: FastifyInstance, core: Core): void {
    const waiters = new KeyWaiters(core.log.view);
    http.addHook('preClose', (done) => {
      waiters.close();
      done();
    });
    const reader = new KeyReader(core, waiters);
    const plain = new PlainKeyReader(core);
    http.onPlainGet('/v1/keys/', '/v1/keys/*', (key, ifNoneMatch, response) =>
      plain.handle(key, ifNoneMatch, response),
    );
    http.get('/v1/keys/*', (request, reply) => reader.handle(request, reply));
    http.put('/v1/keys/*', (request, reply) => putKey(core, request, reply));
    http.patch('/v1/keys/*', (request, reply) => patchKey(core, request, reply));
    http.delete('/v1/keys/*', (request, reply) => removeKey(core, request, reply));
    http.get('/v1/keys', (request, reply) => listKeys(core, request, reply));
    http.delete('/v1/keys', (request, reply) => removeKeys(core, request, reply));
    http.post('/v1/commands', (request, reply) => postCommands(core, request, reply));
    http.get('/v1/sources', (request, reply) => listSources(core, request, reply));
    http.get('/v1/sources/:name', (request, reply) => getSource(core, request, reply));
    http.get('/v1/dead-letters', (request, reply) => listDeadLetters(core, request, reply));
    http.get('/v1/dead-letters/:id', (request, reply) => getDeadLetter(core, request, reply));
    http.delete('/v1/dead-letters/:id', (request, reply) => dropDeadLetter(core, request, reply));
    http.post('/v1/dead-letters/:id/replay', (request, reply) => replayDeadLetter(core, request, reply));
    http.post('/v1/dead-letters/replay', (request, reply) => replayDeadLetters(core, request, reply));
  },
};

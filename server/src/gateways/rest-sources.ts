import { LatchkeyError, quote } from '@latchkey/client';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { flowsOf } from './flow-reports.ts';
import type { Core } from './gateway.ts';
import { JSON_TYPE } from './http-error.ts';
import { principalOf } from './principal.ts';
import { queryOf } from './rest-request.ts';

const NAME_LENGTH_MAX = 255;

/** `GET /v1/sources`: `{"sources":[…]}`, each as `/v1/status` shows it. */
export async function listSources(core: Core, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  queryOf(request, []);
  allowAdmin(core, request);
  const { sources } = await flowsOf(core);
  return reply.header('content-type', JSON_TYPE).header('cache-control', 'no-cache').send(JSON.stringify({ sources }));
}

/** `GET /v1/sources/{name}`: `{"name","progress":{partition:offset}}`; no partitions where the source has never been here. */
export async function getSource(core: Core, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  queryOf(request, []);
  const { name } = request.params as { name: string };
  if (name === '' || name.length > NAME_LENGTH_MAX) {
    throw new LatchkeyError(
      'invalid-request',
      `The source name ${quote(name)} has not 1 to ${NAME_LENGTH_MAX} characters.`,
      {
        field: 'name',
        limit: NAME_LENGTH_MAX,
      },
    );
  }
  allowAdmin(core, request);
  const progress = await core.log.progress(name);
  return reply
    .header('content-type', JSON_TYPE)
    .header('cache-control', 'no-cache')
    .send(JSON.stringify({ name, progress }));
}

/** What is not one key's is the operator's. @throws LatchkeyError `forbidden` */
export function allowAdmin(core: Core, request: FastifyRequest): void {
  if (core.access.allowed(principalOf(request), 'admin', '')) return;
  throw new LatchkeyError('forbidden', 'This needs the right to administer this server.');
}

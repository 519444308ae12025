/** HAProxy for tests. Importing this module is how a test file says that it needs it (scripts/service/). */
import { requireProxy } from '../../scripts/service/proxy.ts';
import type { ProxyProgram } from './shown-proxy.ts';

export const haproxy: ProxyProgram = {
  language: 'haproxy',
  command: (file) => [requireProxy('haproxy'), '-db', '-f', file],
};

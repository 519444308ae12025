/** nginx for tests. Importing this module is how a test file says that it needs it (scripts/service/). */
import { requireProxy } from '../../scripts/service/proxy.ts';
import type { ProxyProgram } from './shown-proxy.ts';

export const nginx: ProxyProgram = {
  language: 'nginx',
  // Started by root its workers would be nobody, who may not write to the folder.
  whole: (block, folder) => `${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
pid ${folder}/pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path ${folder};
  proxy_temp_path ${folder};
  fastcgi_temp_path ${folder};
  uwsgi_temp_path ${folder};
  scgi_temp_path ${folder};
  ${block}
}
`,
  command: (file) => [requireProxy('nginx'), '-c', file],
};

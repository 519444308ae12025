/** The floor of GET: `node:http` that answers 200 with a fixed body and knows nothing. */
import { createServer } from 'node:http';

const body = JSON.stringify({ text: 'x'.repeat(180) });
const server = createServer((_, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as { port: number };
  process.stdout.write(`{"url":"http://127.0.0.1:${port}"}\n`);
});

// Owns an upstream server that stalls: it answers no call of its one tool, and it can be stopped so that nobody gets a
// connection to it. Counts the calls that reached it. It is a process of its own; run as a program, this file is that process.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';

const FILE = fileURLToPath(import.meta.url);
// Connections that wait to be accepted: one more than its system lets in.
const QUEUE = 1;
const CROWD = 4;

export const TOOL = 'delete_everything';

export class StallingUpstream {
  calls = 0;
  #crowd = [];

  static async open() {
    const upstream = new StallingUpstream();
    upstream.child = fork(FILE, { stdio: 'ignore' });
    const [{ port }] = await once(upstream.child, 'message');
    Object.assign(upstream, { port, url: `http://127.0.0.1:${port}/mcp` });
    upstream.child.on('message', () => (upstream.calls += 1));
    return upstream;
  }

  /** Puts it into the catalogue of `server`, and connects the demo user. */
  async offer(server) {
    const [slug, owner] = ['stalls', ['--user', server.demo.email]];
    await server.run(['server', 'add', '--slug', slug, '--url', this.url, '--auth', 'none', '--new-tools', 'allow']);
    await server.run(['connection', 'add', ...owner, '--server', slug, '--alias', slug]);
    await server.run(['connection', 'test', ...owner, slug]);
    return `${server.origin}/mcp/stalls`;
  }

  /** The next call that reaches it. */
  called() {
    return once(this.child, 'message');
  }

  /** Stops it, and lets a crowd queue before it: whoever comes now gets no connection, and can send nothing. */
  async stop() {
    this.child.kill('SIGSTOP');
    this.#crowd = Array.from({ length: CROWD }, () => connect(this.port, '127.0.0.1').on('error', () => {}));
    await Promise.race(this.#crowd.map((socket) => once(socket, 'connect')));
  }

  /** Sends the crowd away and goes on. */
  goOn() {
    for (const socket of this.#crowd) socket.destroy();
    this.child.kill('SIGCONT');
  }

  close() {
    this.child.kill('SIGKILL');
  }
}

const results = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'stalling', version: '1.0.0' },
  }),
  'tools/list': () => ({ tools: [{ name: TOOL, inputSchema: { type: 'object' } }] }),
};

/** Every answer ends its connection, so that each request needs one of its own. */
async function answer(request, response) {
  let body = '';
  for await (const chunk of request.setEncoding('utf8')) body += chunk;
  const { id, method, params } = request.method === 'POST' ? JSON.parse(body) : {};
  if (method === 'tools/call') return process.send('called');
  const head = { 'content-type': 'application/json', connection: 'close' };
  if (id === undefined) return response.writeHead(request.method === 'POST' ? 202 : 405, head).end();
  const make = results[method];
  const outcome = make ? { result: make(params) } : { error: { code: -32601, message: 'not offered' } };
  return response.writeHead(200, head).end(JSON.stringify({ jsonrpc: '2.0', id, ...outcome }));
}

if (process.argv[1] === FILE) {
  const server = createServer(answer).listen(0, '127.0.0.1', QUEUE);
  await once(server, 'listening');
  process.send({ port: server.address().port });
  process.once('disconnect', () => process.exit());
}

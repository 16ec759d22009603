// Owns the bearer that the suite cannot send: a loopback listener that passes every request on to the
// server as it came, with an `Authorization` header added. Answers are passed back as they come.

import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { pipeline } from 'node:stream';

export class BearerProxy {
  /** `target`: the MCP endpoint. `token`: the access token to add. */
  static async listen(target, token) {
    const proxy = new BearerProxy();
    proxy.target = new URL(target);
    proxy.token = token;
    proxy.server = createServer((incoming, outgoing) => proxy.#pass(incoming, outgoing));
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    proxy.host = `localhost:${proxy.server.address().port}`;
    proxy.url = `http://${proxy.host}${proxy.target.pathname}`;
    return proxy;
  }

  #pass(incoming, outgoing) {
    const headers = this.#ownAddress(incoming.rawHeaders);
    headers.push('authorization', `Bearer ${this.token}`);
    const { hostname, port } = this.target;
    const onward = request({ host: '127.0.0.1', port, method: incoming.method, path: incoming.url, headers, agent: false });
    onward.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode, answer.rawHeaders);
      pipeline(answer, outgoing, () => {});
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    pipeline(incoming, onward, () => {});
  }

  /** The proxy's own address becomes the server's, every other `Host` and `Origin` stays what it was. */
  #ownAddress(rawHeaders) {
    return rawHeaders.map((text, index) => {
      const name = rawHeaders[index - 1]?.toLowerCase();
      if (index % 2 === 0 || !['host', 'origin'].includes(name)) return text;
      return text.replace(this.host, this.target.host);
    });
  }

  async close() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

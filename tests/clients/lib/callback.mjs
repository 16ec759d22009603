// Owns the client's own loopback listener (RFC 8252 §7.3): the place where the browser brings the
// code, or the refusal, back to the application.

import { once } from 'node:events';
import { createServer } from 'node:http';

const WAIT_MS = 15_000;

export class Callback {
  #answers = [];
  #waiting = [];

  static async listen() {
    const callback = new Callback();
    callback.server = createServer((request, response) => callback.#receive(request, response));
    callback.server.listen(0, '127.0.0.1');
    await once(callback.server, 'listening');
    callback.url = `http://127.0.0.1:${callback.server.address().port}/callback`;
    return callback;
  }

  #receive(request, response) {
    const { pathname, searchParams } = new URL(request.url, this.url);
    if (pathname !== '/callback') {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': 'text/html' }).end('<title>Done</title>You may close this window.');
    const taker = this.#waiting.shift();
    if (taker) taker(searchParams);
    else this.#answers.push(searchParams);
  }

  /** The parameters of the next answer that the browser brings. */
  async answer() {
    if (this.#answers.length > 0) return this.#answers.shift();
    let late;
    const answered = new Promise((resolve, reject) => {
      this.#waiting.push(resolve);
      late = setTimeout(() => reject(new Error(`no browser came back to ${this.url} within ${WAIT_MS} ms`)), WAIT_MS);
    });
    return answered.finally(() => clearTimeout(late));
  }

  async close() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

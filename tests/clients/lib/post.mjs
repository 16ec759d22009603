// Owns what receives notices: a webhook, and a mail server that is just large enough (RFC 5321: one connection, one mail).

import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import { createServer as createTcp } from 'node:net';

const WAIT_MS = 15_000;

/** What arrives, in order, for whoever waits for it. */
class Letters {
  #arrived = [];
  #waiting = [];

  put(letter) {
    const taker = this.#waiting.shift();
    if (taker) taker(letter);
    else this.#arrived.push(letter);
  }

  /** The next one. */
  async take() {
    if (this.#arrived.length > 0) return this.#arrived.shift();
    let late;
    const arrived = new Promise((resolve, reject) => {
      this.#waiting.push(resolve);
      late = setTimeout(() => reject(new Error(`nothing arrived within ${WAIT_MS} ms`)), WAIT_MS);
    });
    return arrived.finally(() => clearTimeout(late));
  }
}

async function listen(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}

/** A webhook: `take` gives the bodies that were posted. */
export class Hook extends Letters {
  static async open() {
    const hook = new Hook();
    hook.server = createHttp(async (request, response) => {
      let body = '';
      for await (const chunk of request.setEncoding('utf8')) body += chunk;
      response.writeHead(200).end('ok');
      hook.put(body);
    });
    hook.url = `http://127.0.0.1:${await listen(hook.server)}/services/T0/B0`;
    return hook;
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** A mail server: `take` gives the mails, each with its `to` and its readable `text`. `refuse`: it takes none. */
export class PostOffice extends Letters {
  refuse = false;

  static async open() {
    const office = new PostOffice();
    office.server = createTcp((socket) => office.#serve(socket));
    office.url = `smtp://127.0.0.1:${await listen(office.server)}`;
    return office;
  }

  #serve(socket) {
    const mail = { to: undefined, lines: undefined };
    let text = '';
    const say = (line) => socket.write(`${line}\r\n`);
    say('220 post office');
    socket.on('error', () => {});
    socket.setEncoding('utf8').on('data', (chunk) => {
      const lines = (text + chunk).split('\r\n');
      text = lines.pop();
      for (const line of lines) this.#hear(line, mail, say);
    });
  }

  #hear(line, mail, say) {
    if (mail.lines && line !== '.') return mail.lines.push(line);
    if (mail.lines) {
      this.put({ to: mail.to, text: readable(mail.lines.join('\n')) });
      mail.lines = undefined;
      return say('250 taken');
    }
    const [, to] = /^RCPT TO:<(.*)>/.exec(line) ?? [];
    if (to) mail.to = to;
    if (line === 'DATA') mail.lines = [];
    if (line === 'DATA') return say('354 go on');
    if (this.refuse && line.startsWith('MAIL')) return say('451 not now');
    return say(line === 'QUIT' ? '221 bye' : '250 well');
  }

  close() {
    this.server.close();
  }
}

/** RFC 2045 §6.7, undone. */
function readable(text) {
  return text.replaceAll('=\n', '').replace(/=([0-9A-F]{2})/g, (_, code) => String.fromCharCode(parseInt(code, 16)));
}

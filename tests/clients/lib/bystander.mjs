// Owns a fine clock without time: a connection on which the server answers light questions one after the
// other, all asked in advance. Counting them says how far the server is while it works for somebody else.

import { once } from 'node:events';
import { connect } from 'node:net';

const AHEAD = 256;
const END_OF_ANSWER = '\r\n\r\n';

export class Bystander {
  static async arrive(server) {
    const bystander = new Bystander();
    const { host } = new URL(server.origin);
    bystander.question = `HEAD /.well-known/oauth-authorization-server HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
    bystander.socket = connect(server.port, '127.0.0.1');
    await once(bystander.socket, 'connect');
    return bystander;
  }

  /** Asks until the server dies; `heard` is called at each answer. */
  async ask(heard) {
    let text = '';
    this.socket.setEncoding('latin1').on('data', (chunk) => {
      const answers = (text + chunk).split(END_OF_ANSWER);
      text = answers.pop();
      answers.forEach(heard);
      this.socket.write(this.question.repeat(answers.length));
    });
    // A reset is one of the ways in which a connection to a killed process ends.
    this.socket.on('error', () => {});
    this.socket.write(this.question.repeat(AHEAD));
    if (!this.socket.closed) await new Promise((resolve) => this.socket.once('close', resolve));
  }
}

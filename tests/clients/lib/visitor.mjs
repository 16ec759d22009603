// Owns the person where no browser is needed: a cookie jar that signs in and allows, by the fields of
// the real forms and with the headers that a browser adds.

import assert from 'node:assert/strict';
import { keep } from './canaries.mjs';
import { ask, formFields, post } from './wire.mjs';

const FROM_OUR_PAGE = { 'sec-fetch-site': 'same-origin', origin: 'null' };

export class Visitor {
  #cookies = new Map();

  /** `server`: where the person signs in, with the demo account. */
  constructor(server) {
    this.server = server;
  }

  /** Opens an authorization URL, signs in if asked, allows what is ticked, and gives what the client is answered. */
  async allow(url) {
    let next = this.#location(await this.#open(url));
    if (next.pathname === '/login') next = await this.#signIn(next);
    const { text: page } = await this.#open(next);
    const consent = formFields(page, '/oauth/consent');
    consent.append('decision', 'approve');
    return this.#location(await this.#send('/oauth/consent', consent)).searchParams;
  }

  async #signIn(url) {
    const { text: page } = await this.#open(url);
    const login = formFields(page, '/login');
    login.append('email', this.server.demo.email);
    keep(login.get('csrf'));
    login.append('password', this.server.demo.password);
    return this.#location(await this.#send('/login', login));
  }

  /** How many clients the start page offers to disconnect: those with a live grant that gave something. */
  async connectedClients() {
    const { status, text } = await this.#open(this.server.origin);
    assert.equal(status, 200);
    return text.split('name="grant"').length - 1;
  }

  async #open(url) {
    return this.#keep(await ask(url, { headers: this.#cookieHeader() }));
  }

  async #send(path, fields) {
    return this.#keep(await post(this.server.origin + path, fields, { ...FROM_OUR_PAGE, ...this.#cookieHeader() }));
  }

  #cookieHeader() {
    return { cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ') };
  }

  #keep(answer) {
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
      this.#cookies.set(name, value);
      keep(value);
    }
    return answer;
  }

  #location(answer) {
    assert.equal(answer.status, 303, answer.text);
    return new URL(answer.headers.get('location'), this.server.origin);
  }
}

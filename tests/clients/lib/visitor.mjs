// Owns the person where no browser is needed: a cookie jar that signs in and allows, by the fields of
// the real forms and with the headers that a browser adds.

import assert from 'node:assert/strict';
import { keep } from './canaries.mjs';
import { ask, formFields, post } from './wire.mjs';

const FROM_OUR_PAGE = { 'sec-fetch-site': 'same-origin', origin: 'null' };

export class Visitor {
  #cookies = new Map();

  /**
   * `server`: where the person signs in; `account`: with which `email` and `password`, the demo's by default;
   * `headers`: what a proxy in front of the server adds to each request.
   */
  constructor(server, account = server.demo, headers = {}) {
    Object.assign(this, { server, account, headers });
  }

  /** Opens an authorization URL, signs in if asked, allows what is ticked, and gives what the client is answered. */
  async allow(url) {
    return (await this.visit(url)).location.searchParams;
  }

  /**
   * The same, with the consent page (none if there was no question) and the address to which the browser goes in the
   * end. `untick`: scopes not to grant.
   */
  async visit(url, { untick = [] } = {}) {
    let next = this.#location(await this.open(url));
    if (next.pathname === '/login') next = await this.#signIn(next);
    // What is refused to a client that nobody vouches for is refused once somebody is signed in.
    if (next.pathname.endsWith('/authorize')) next = this.#location(await this.open(next));
    if (next.origin !== this.server.origin) return { page: undefined, location: next };
    const { text: page } = await this.open(next);
    const consent = formFields(page, '/oauth/consent');
    for (const scope of untick) consent.delete('scope', scope);
    consent.append('decision', 'approve');
    return { page, location: this.#location(await this.#send('/oauth/consent', consent)) };
  }

  async #signIn(url) {
    const { text: page } = await this.open(url);
    const login = formFields(page, '/login');
    login.append('email', this.account.email);
    keep(login.get('csrf'));
    login.append('password', this.account.password);
    return this.#location(await this.#send('/login', login));
  }

  /** Answers the question on the page of a call: `approve` or `deny`. */
  async decideApproval(id, decision) {
    const place = `/approvals/${id}`;
    const { text: page } = await this.open(this.server.origin + place);
    const form = formFields(page, place);
    form.append('decision', decision);
    const { text } = await this.#send(place, form);
    assert.match(text, decision === 'approve' ? /Approved, for this one call/ : /Denied\. Nothing was executed/);
  }

  /** How many clients the start page offers to disconnect: those with a live grant that gave something. */
  async connectedClients() {
    const { status, text } = await this.open(this.server.origin);
    assert.equal(status, 200);
    return text.split('name="grant"').length - 1;
  }

  /** Opens an address and goes no further. */
  async open(url) {
    return this.#keep(await ask(this.server.reach(url), { headers: this.#headers() }));
  }

  async #send(path, fields) {
    return this.#keep(await post(this.server.address + path, fields, { ...FROM_OUR_PAGE, ...this.#headers() }));
  }

  #headers() {
    return { cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; '), ...this.headers };
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

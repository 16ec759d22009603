// Owns one MCP application on the desk of one person: its SDK client, its memory, its callback
// listener, and the steps of a sign-in as an application takes them.

import assert from 'node:assert/strict';
import { Callback } from './callback.mjs';
import { MemoryProvider } from './provider.mjs';

export class Application {
  /** Every refusal that the MCP endpoint gave: status and challenge. */
  refusals = [];

  /** Every method that was sent to the MCP endpoint, in order. */
  sent = [];

  /**
   * `asked`: who answers the questions of servers; nobody, if it is left out. `able`: how it declares that it can put them
   * before its user, by forms if nothing else is said. `own`: its model and its folders, if servers may ask for them.
   */
  static async install(kind, server, person, { name = 'Story Teller', asked, able = asked && { form: {} }, own } = {}) {
    const application = new Application();
    Object.assign(application, { kind, server, person, asked, able, own });
    application.callback = await Callback.listen();
    application.provider = new MemoryProvider(name, application.callback.url);
    application.#open();
    return application;
  }

  #open() {
    const { provider: authProvider, asked, able, own } = this;
    const fetch = (url, init) => this.#fetch(url, init);
    this.endpoint = this.kind.make(this.server.demo.mcp_url, { authProvider, fetch, asked, able, own });
  }

  async #fetch(url, init) {
    const isOurs = `${url}` === this.server.demo.mcp_url;
    if (isOurs && init?.method === 'POST') this.sent.push(JSON.parse(init.body).method);
    const response = await fetch(url, init);
    const challenge = response.headers.get('www-authenticate');
    if (challenge && isOurs) this.refusals.push({ status: response.status, challenge });
    return response;
  }

  get client() {
    return this.endpoint.client;
  }

  /** Calls a tool. `options`: those of the SDK, such as `onprogress` and `signal`. */
  call(name, args = {}, options = {}) {
    return this.kind.call(this.client, { name, arguments: args }, options);
  }

  /** Connects without a token, and finds itself sent to the browser. */
  async meetTheGate() {
    await assert.rejects(this.endpoint.connect(), this.kind.Unauthorized);
    assert.equal(this.refusals[0].status, 401);
    assert.match(this.refusals[0].challenge, /^Bearer .*resource_metadata="/);
    assert.equal(this.provider.redirects, 1);
  }

  /** Lets the person decide, and brings back what the browser delivered. */
  async ask(choices) {
    const page = await this.person.decide(this.provider.authorizationUrl, choices);
    const answer = await this.callback.answer();
    assert.equal(answer.get('state'), this.provider.lastState);
    assert.equal(answer.get('iss'), (await this.server.metadata()).issuer);
    return { page, answer };
  }

  /** The whole way in: 401, discovery, registration, browser, code, tokens, connected. */
  async signIn(choices) {
    await this.meetTheGate();
    const { page, answer } = await this.ask(choices);
    await this.endpoint.finish(answer);
    await this.reconnect();
    return page;
  }

  /** A new connection with what the application remembers. */
  async reconnect() {
    await this.client.close();
    this.#open();
    await this.endpoint.connect();
  }

  async uninstall() {
    await this.client.close();
    await this.callback.close();
  }
}

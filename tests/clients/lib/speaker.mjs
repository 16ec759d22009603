// Owns MCP request by request, in the revisions with sessions and in the one without, as a recorded client speaks it.

import assert from 'node:assert/strict';
import { ask } from './wire.mjs';

const STATELESS = '2026-07-28';
// From this revision on clients say with every request which one they speak.
const FIRST_WITH_HEADER = '2025-06-18';
const META = 'io.modelcontextprotocol';
const CLIENT = { name: 'recorded-client', version: '1.0.0' };

export class Speaker {
  #id = 0;
  #session;

  /** `profile`: its `revision` and `capabilities`; `send`: how a request travels. */
  constructor(url, token, { revision, capabilities = {} }, send = ask) {
    Object.assign(this, { url, token, revision, capabilities, send });
  }

  get #stateless() {
    return this.revision === STATELESS;
  }

  /** Opens a session where there are sessions. */
  async open() {
    if (this.#stateless) return this;
    const parameters = { protocolVersion: this.revision, capabilities: this.capabilities, clientInfo: CLIENT };
    const { result, headers } = await this.ask('initialize', parameters);
    assert.equal(result.protocolVersion, this.revision);
    this.#session = headers.get('mcp-session-id');
    assert.ok(this.#session, 'there is no session');
    const notified = await this.post({ jsonrpc: '2.0', method: 'notifications/initialized' });
    assert.equal(notified.status, 202, notified.text);
    return this;
  }

  /** The tools, as the server listed them. */
  async list() {
    return (await this.ask('tools/list')).result.tools;
  }

  /** The text that a tool answers. */
  async call(name, args = {}) {
    const { result } = await this.ask('tools/call', { name, arguments: args });
    assert.ok(!result.isError, JSON.stringify(result));
    return result.content.map((block) => block.text).join('\n');
  }

  /** A request that must be answered with a result. */
  async ask(method, parameters = {}) {
    const answer = await this.post(this.#envelope(method, parameters));
    assert.equal(answer.status, 200, `${method}: ${answer.verdict} ${answer.text}`);
    const { result, error } = JSON.parse(answer.text);
    assert.ok(result, JSON.stringify(error));
    return { result, headers: answer.headers };
  }

  /** The raw answer to a request: for those that are to be refused. */
  request(method, parameters = {}) {
    return this.post(this.#envelope(method, parameters));
  }

  #envelope(method, parameters) {
    const meta = { [`${META}/protocolVersion`]: this.revision, [`${META}/clientCapabilities`]: this.capabilities };
    const params = this.#stateless ? { ...parameters, _meta: meta } : parameters;
    this.#id += 1;
    return { jsonrpc: '2.0', id: this.#id, method, params };
  }

  post(message) {
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    if (this.token) headers.authorization = `Bearer ${this.token}`;
    if (this.#session) headers['mcp-session-id'] = this.#session;
    if (this.#stateless || (this.#session && this.revision >= FIRST_WITH_HEADER)) {
      headers['mcp-protocol-version'] = this.revision;
    }
    if (this.#stateless) {
      headers['mcp-method'] = message.method;
      if (message.params?.name) headers['mcp-name'] = message.params.name;
    }
    return this.send(this.url, { method: 'POST', body: JSON.stringify(message), headers });
  }
}

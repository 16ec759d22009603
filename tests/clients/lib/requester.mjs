// Owns one public client that speaks OAuth and MCP request by request, so that a story decides when
// each is sent and what counts as answered.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { keep } from './canaries.mjs';
import { ask, post } from './wire.mjs';

const REDIRECT_URI = 'http://127.0.0.1:51004/callback';
const REVISION = '2026-07-28';

const LIST_TOOLS = {
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/list',
  params: {
    _meta: { 'io.modelcontextprotocol/protocolVersion': REVISION, 'io.modelcontextprotocol/clientCapabilities': {} },
  },
};

export class Requester {
  /** Registers itself (RFC 7591). `visitor`: the person who allows it. */
  static async register(server, visitor) {
    const requester = new Requester();
    const metadata = await server.metadata();
    Object.assign(requester, { server, visitor, metadata });
    const body = JSON.stringify({
      client_name: 'Story Teller',
      redirect_uris: [REDIRECT_URI],
      grant_types: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_method: 'none',
    });
    const headers = { 'content-type': 'application/json' };
    const answer = await ask(metadata.registration_endpoint, { method: 'POST', body, headers });
    assert.equal(answer.status, 201, answer.text);
    requester.id = JSON.parse(answer.text).client_id;
    return requester;
  }

  /** The way through sign-in and consent for a resource: a code and the verifier that redeems it. */
  async obtainCode(resource = this.server.demo.mcp_url) {
    const verifier = randomBytes(32).toString('base64url');
    const url = new URL(this.metadata.authorization_endpoint);
    url.search = new URLSearchParams({
      response_type: 'code',
      client_id: this.id,
      redirect_uri: REDIRECT_URI,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
      state: 'story',
      resource,
    });
    const code = (await this.visitor.allow(url)).get('code');
    assert.ok(code);
    return { code, verifier };
  }

  /** A new grant with its first tokens. */
  async connect(resource) {
    return tokens(await this.redeem(await this.obtainCode(resource)));
  }

  redeem({ code, verifier }) {
    keep(code, verifier);
    return this.#token({ grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: REDIRECT_URI });
  }

  refresh(token) {
    return this.#token({ grant_type: 'refresh_token', refresh_token: token });
  }

  #token(fields) {
    return post(this.metadata.token_endpoint, { ...fields, client_id: this.id });
  }

  /** The status of `tools/list` with this access token; a 200 must hold tools. */
  async listTools(access) {
    const headers = {
      authorization: `Bearer ${access}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': REVISION,
      'mcp-method': LIST_TOOLS.method,
    };
    const answer = await ask(this.server.demo.mcp_url, { method: 'POST', body: JSON.stringify(LIST_TOOLS), headers });
    if (answer.status === 200) assert.match(answer.text, /"sandbox__echo"/);
    return answer.status;
  }
}

/** The pair of a token answer, which must be one. */
export function tokens(answer) {
  assert.equal(answer.verdict, '200', answer.text);
  const { access_token: access, refresh_token: refresh } = JSON.parse(answer.text);
  return { access, refresh };
}

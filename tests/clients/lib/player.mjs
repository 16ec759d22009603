// Owns the playing of a recorded profile: its requests in its order, with exactly its parameters and headers. What every
// client relies on is asserted here; what one client alone relies on stands in its profile.
//
// A profile's texts hold places that are filled in when they are sent: {origin}, {mcp} (the URL that the user typed),
// {port} (of the client's own listener), {id}, {challenged} (the scope of the 401), {supported} (every scope that the
// server lists), {document} (where the client's metadata document lies).

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { Speaker } from './speaker.mjs';
import { ask, form } from './wire.mjs';

const ECHO = 'sandbox__echo';
const anyPort = () => 49_152 + (randomBytes(2).readUInt16BE() % 16_000);

export class Player {
  /** `visitor`: the person behind the client. `profile.headers`: what a proxy in front of the server adds to each request. */
  constructor(profile, server, visitor) {
    Object.assign(this, { profile: { ...profile }, server, visitor, headers: profile.headers ?? {} });
    const { origin } = server;
    this.places = { origin, mcp: server.demo.mcp_url, port: anyPort(), id: randomBytes(9).toString('base64url') };
  }

  /** The text, list or object with every place filled in; members that are undefined are left out. */
  fill(value) {
    if (typeof value === 'string') return value.replace(/\{(\w+)\}/g, (whole, name) => this.places[name] ?? whole);
    if (Array.isArray(value)) return value.map((entry) => this.fill(entry));
    if (value === null || typeof value !== 'object') return value;
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    return Object.fromEntries(members.map(([name, member]) => [name, this.fill(member)]));
  }

  /** How a request of this client travels. */
  send = (url, init) => ask(this.server.reach(url), { ...init, headers: { ...init.headers, ...this.headers } });

  // --- discovery -------------------------------------------------------------------------------------------------------

  /** Finds the server's endpoints by the steps that the profile names. */
  async discover() {
    for (const step of this.profile.discovery) await this[step]();
    return this;
  }

  /** The 401 that begins it all, at a POST. */
  async challenge() {
    const speaker = this.speaker(undefined);
    this.#challenged(await speaker.request(this.profile.revision === '2026-07-28' ? 'tools/list' : 'initialize'));
  }

  /** The same at a GET, as some clients probe (DC-4, DC-21). */
  async probe() {
    this.#challenged(await this.send(this.places.mcp, { headers: { accept: 'text/event-stream' } }));
  }

  #challenged(answer) {
    assert.equal(answer.status, 401, answer.text);
    const challenge = answer.headers.get('www-authenticate') ?? '';
    assert.match(challenge, /^Bearer /);
    this.places.challenged = /scope="([^"]*)"/.exec(challenge)?.[1];
    this.resourceMetadataUrl = /resource_metadata="([^"]*)"/.exec(challenge)?.[1];
    assert.ok(this.places.challenged && this.resourceMetadataUrl, challenge);
  }

  /** The resource's document; its `resource` is the very URL that the user typed, and its authorization server is one. */
  async resource() {
    this.protectedResource = await this.document(this.resourceMetadataUrl);
    assert.equal(this.protectedResource.resource, this.places.mcp);
    assert.deepEqual(this.protectedResource.authorization_servers, [this.places.origin]);
  }

  /** The authorization server's document (RFC 8414). */
  async authorizationServer() {
    await this.#metadata('/.well-known/oauth-authorization-server');
  }

  /** The same where OpenID Connect puts it. */
  async openid() {
    await this.#metadata('/.well-known/openid-configuration');
  }

  async #metadata(path) {
    this.metadata = await this.document(this.places.origin + path);
    assert.equal(this.metadata.issuer, this.places.origin);
    assert.ok(this.metadata.code_challenge_methods_supported.includes('S256'));
    this.places.supported = this.metadata.scopes_supported.join(' ');
  }

  /** No document at all: the default paths of 2025-03-26 (MCP-AUTH-27). */
  defaults() {
    const endpoint = (path) => this.places.origin + path;
    this.metadata = {
      authorization_endpoint: endpoint('/authorize'),
      token_endpoint: endpoint('/token'),
      registration_endpoint: endpoint('/register'),
    };
  }

  async document(url) {
    const revision = this.profile.revision;
    const answer = await this.send(url, { headers: { accept: 'application/json', 'mcp-protocol-version': revision } });
    assert.equal(answer.status, 200, `${url}: ${answer.text}`);
    // A page may not read this header of another origin.
    if (!this.profile.page) assert.equal(answer.headers.get('x-content-type-options'), 'nosniff', url);
    return JSON.parse(answer.text);
  }

  // --- registration ----------------------------------------------------------------------------------------------------

  /** RFC 7591; gives what the server says that it stored. */
  async register(changes = {}) {
    const answer = await this.tryToRegister(changes);
    assert.equal(answer.status, 201, answer.text);
    this.registered = JSON.parse(answer.text);
    this.client = this.registered.client_id;
    this.secret = this.registered.client_secret;
    return this.registered;
  }

  tryToRegister(changes = {}) {
    const body = JSON.stringify(this.fill({ ...this.profile.registration, ...changes }));
    const headers = { 'content-type': 'application/json', accept: 'application/json' };
    return this.send(this.metadata.registration_endpoint, { method: 'POST', body, headers });
  }

  // --- authorization ---------------------------------------------------------------------------------------------------

  /** The URL to which this client sends its user; what is undefined is not sent, and a list is sent as often as it is long. */
  authorizationUrl(changes = {}) {
    this.verifier = randomBytes(32).toString('base64url');
    const url = new URL(this.metadata.authorization_endpoint);
    url.search = this.#parameters({
      response_type: 'code',
      client_id: this.client,
      redirect_uri: this.profile.redirect,
      state: randomBytes(16).toString('base64url'),
      code_challenge: createHash('sha256').update(this.verifier).digest('base64url'),
      code_challenge_method: 'S256',
      ...this.profile.authorization,
      ...changes,
    });
    return url;
  }

  /** Sends the user there, who allows it: the code. The answer arrives at the client's own address with `state` and `iss`. */
  async authorize(changes = {}, choices = {}) {
    const { url, answer } = await this.answered(changes, choices);
    const { searchParams: asked } = url;
    assert.equal(answer.get('error'), null, `${answer.get('error')}: ${answer.get('error_description')}`);
    const state = asked.has('state') ? asked.get('state') : null;
    assert.equal(answer.get('state'), state);
    if (this.metadata.authorization_response_iss_parameter_supported) assert.equal(answer.get('iss'), this.metadata.issuer);
    this.redirect = asked.get('redirect_uri');
    assert.ok(this.delivered.href.startsWith(this.redirect), this.delivered.href);
    return answer.get('code');
  }

  /** The parameters with which the browser comes back, be it a code or an error. */
  async answered(changes = {}, choices = {}) {
    const url = this.authorizationUrl(changes);
    const { page, location } = await this.visitor.visit(url, choices);
    this.consent = page;
    this.delivered = location;
    return { url, answer: location.searchParams };
  }

  // --- tokens ----------------------------------------------------------------------------------------------------------

  async redeem(code, changes = {}) {
    const fields = { code, code_verifier: this.verifier, redirect_uri: this.redirect };
    return this.#tokens(await this.token({ grant_type: 'authorization_code', ...fields, ...this.profile.redemption, ...changes }));
  }

  async refresh(token, changes = {}) {
    return this.#tokens(await this.token({ grant_type: 'refresh_token', refresh_token: token, ...this.profile.refreshing, ...changes }));
  }

  /** A raw token request, with the client's own way to say who it is. */
  token(fields) {
    const authentication = this.authentication?.() ?? { client_id: this.client, client_secret: this.secret };
    return this.send(this.metadata.token_endpoint, form(this.#parameters({ ...fields, ...authentication })));
  }

  /** What every client reads in a token answer: a known life, the granted scope, and that nobody may keep it. */
  #tokens(answer) {
    assert.equal(answer.verdict, '200', answer.text);
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    assert.equal(answer.headers.get('pragma'), 'no-cache');
    const tokens = JSON.parse(answer.text);
    assert.ok(Number.isInteger(tokens.expires_in) && tokens.expires_in > 0, answer.text);
    assert.equal(tokens.token_type, 'Bearer');
    assert.ok(tokens.scope.length > 0);
    assert.ok(tokens.refresh_token, 'a client that is registered for refresh_token gets one');
    return tokens;
  }

  #parameters(fields) {
    const pairs = Object.entries(this.fill(fields));
    return new URLSearchParams(pairs.flatMap(([name, value]) => [value].flat().map((one) => [name, one])));
  }

  // --- the whole way ---------------------------------------------------------------------------------------------------

  /** Discovery and registration: a client that can send its user to the browser. */
  async settle(changes = {}) {
    await this.discover();
    await this.identify(changes);
    return this;
  }

  /** By registration; a client with a document does otherwise. */
  async identify(changes) {
    await this.register(changes);
  }

  /** Everything up to the first tokens. */
  async connect() {
    await this.settle();
    return this.redeem(await this.authorize());
  }

  /** The tools that a token opens. */
  async list(access) {
    return this.#toolsOf(await this.#open(access));
  }

  /** The same, and calls one; the server lets a user call each tool ten times a minute. */
  async use(access) {
    const speaker = await this.#open(access);
    const tools = await this.#toolsOf(speaker);
    assert.match(await speaker.call(ECHO, { message: 'hello' }), /hello/);
    return tools;
  }

  /** What speaks MCP for this client. */
  speaker(access) {
    return new Speaker(this.places.mcp, access, this.profile, this.send);
  }

  #open(access) {
    return this.speaker(access).open();
  }

  async #toolsOf(speaker) {
    const tools = await speaker.list();
    assert.ok(tools.some((tool) => tool.name === ECHO), JSON.stringify(tools));
    return tools;
  }

  /** The life of a connection: in, used, refreshed, used again. */
  async live() {
    const first = await this.connect();
    await this.use(first.access_token);
    const second = await this.refresh(first.refresh_token);
    assert.notEqual(second.refresh_token, first.refresh_token);
    await this.list(second.access_token);
    return second;
  }
}

// Owns what an MCP application must remember about its sign-in, kept in memory. One class serves
// both SDKs: their `OAuthClientProvider` interfaces agree on everything used here.

import { randomBytes } from 'node:crypto';
import { keep } from './canaries.mjs';

export class MemoryProvider {
  #client;
  #tokens;
  #verifier;
  #discovery;
  #state;

  /** How often this application asked for a browser, and obtained tokens. */
  redirects = 0;
  grants = 0;
  authorizationUrl;

  constructor(name, redirectUrl) {
    this.name = name;
    this.redirectUrl = redirectUrl;
  }

  get clientMetadata() {
    return {
      client_name: this.name,
      redirect_uris: [this.redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    };
  }

  state() {
    this.#state = randomBytes(16).toString('base64url');
    return this.#state;
  }

  get lastState() {
    return this.#state;
  }

  clientInformation() {
    return this.#client;
  }

  saveClientInformation(information) {
    this.#client = information;
  }

  tokens() {
    return this.#tokens;
  }

  saveTokens(tokens) {
    this.#tokens = tokens;
    this.grants += 1;
  }

  redirectToAuthorization(url) {
    this.authorizationUrl = url;
    this.redirects += 1;
  }

  saveCodeVerifier(verifier) {
    keep(verifier);
    this.#verifier = verifier;
  }

  codeVerifier() {
    return this.#verifier;
  }

  discoveryState() {
    return this.#discovery;
  }

  saveDiscoveryState(state) {
    this.#discovery = state;
  }

  invalidateCredentials(what) {
    if (what === 'all' || what === 'client') this.#client = undefined;
    if (what === 'all' || what === 'tokens') this.#tokens = undefined;
    if (what === 'all' || what === 'verifier') this.#verifier = undefined;
    if (what === 'all' || what === 'discovery') this.#discovery = undefined;
  }
}

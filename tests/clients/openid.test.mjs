// A real OpenID client signs a person in against the real binary: discovery, registration, the browser, the ID token with
// its nonce and its age, UserInfo, refresh, sign-out at its wish, and the notice of it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import * as oidc from 'openid-client';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { Callback } from './lib/callback.mjs';
import { engines } from './lib/engines.mjs';
import { play, withBrowser } from './lib/stage.mjs';

withBrowser();

const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout';

/** A listener that takes one form after another. */
async function backchannel() {
  const letters = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    letters.push(new URLSearchParams(body));
    response.writeHead(200).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { url: `http://127.0.0.1:${server.address().port}/logout`, letters, close };
}

async function until(holds, what) {
  const deadline = Date.now() + 15_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function register(server, callback, mailbox, algorithm) {
  const metadata = {
    client_name: 'Portal',
    redirect_uris: [callback.url],
    post_logout_redirect_uris: [callback.url],
    backchannel_logout_uri: mailbox.url,
    backchannel_logout_session_required: true,
    id_token_signed_response_alg: algorithm,
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'client_secret_basic',
  };
  const options = { execute: [oidc.allowInsecureRequests] };
  const config = await oidc.dynamicClientRegistration(new URL(server.origin), metadata, undefined, options);
  assert.equal(config.clientMetadata().id_token_signed_response_alg, algorithm);
  return config;
}

/** Signs the person in, and checks all that the client checks of itself. */
async function signIn(config, person, callback, parameters = {}) {
  const verifier = oidc.randomPKCECodeVerifier();
  const checks = { pkceCodeVerifier: verifier, expectedState: oidc.randomState(), expectedNonce: oidc.randomNonce(), idTokenExpected: true };
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: callback.url,
    scope: 'openid profile email',
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    ...parameters,
  });
  const page = await person.decide(url);
  const current = new URL(`${callback.url}?${await callback.answer()}`);
  if (parameters.max_age !== undefined) checks.maxAge = Number(parameters.max_age);
  return { page, tokens: await oidc.authorizationCodeGrant(config, current, checks) };
}

for (const engine of engines) {
  for (const algorithm of ['RS256', 'ES256', 'EdDSA']) {
    test(`an OpenID client signs a person in and out, ${algorithm} (${engine.name})`, { timeout: 90_000 }, () =>
      play({ engine, settings: { openid: 'on' }, person: { scripts: false } }, async ({ server, person }) => {
        const [callback, mailbox] = [await Callback.listen(), await backchannel()];
        try {
          const config = await register(server, callback, mailbox, algorithm);
          const { page, tokens } = await signIn(config, person, callback);
          assert.match(page, /Know your account/);
          const claims = tokens.claims();
          assert.equal(claims.email, server.demo.email);
          assert.equal((await oidc.fetchUserInfo(config, tokens.access_token, claims.sub)).email, server.demo.email);

          // A live session, and still the person proves again who they are.
          await new Promise((resolve) => setTimeout(resolve, 1_100));
          const again = await signIn(config, person, callback, { max_age: '0' });
          assert.ok(again.tokens.claims().auth_time > claims.auth_time);
          assert.equal(again.tokens.claims().sid, claims.sid);

          const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token);
          assert.equal(refreshed.claims().sub, claims.sub);

          const end = oidc.buildEndSessionUrl(config, {
            id_token_hint: tokens.id_token,
            post_logout_redirect_uri: callback.url,
            state: 'a b+%é&=',
          });
          await person.page.goto(end.href);
          await person.page.locator('button[value="sign_out"]').click();
          assert.equal((await callback.answer()).get('state'), 'a b+%é&=');
          await assert.rejects(oidc.fetchUserInfo(config, tokens.access_token, claims.sub));

          await until(() => mailbox.letters.length > 0, 'the notice');
          const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
          const { payload } = await jwtVerify(mailbox.letters[0].get('logout_token'), keys, {
            issuer: server.origin,
            audience: config.clientMetadata().client_id,
            typ: 'logout+jwt',
            algorithms: [algorithm],
          });
          assert.deepEqual([payload.sub, payload.sid, payload.nonce], [claims.sub, claims.sid, undefined]);
          assert.deepEqual(payload.events, { [LOGOUT_EVENT]: {} });
        } finally {
          await callback.close();
          await mailbox.close();
        }
      }),
    );
  }
}

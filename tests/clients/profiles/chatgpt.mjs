// ChatGPT: a callback with an id of the connector, or the older fixed one; brings a document whose key proves it, and asks
// its user before a tool that does not say that it only reads.

import assert from 'node:assert/strict';
import { documentPlayer, provenByKey, withDocument } from '../lib/document.mjs';
import { needsDocuments } from './claude-code.mjs';

const CALLBACK = 'https://chatgpt.com/connector/oauth/{id}';

const DOCUMENT = {
  client_id: '{document}',
  client_name: 'ChatGPT',
  redirect_uris: ['https://chatgpt.com/connector/oauth/Xk2vQy8LmP4r'],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'private_key_jwt',
  token_endpoint_auth_signing_alg: 'ES256',
  jwks_uri: '{keys}',
};

function needsKeys(metadata) {
  const offered = metadata.token_endpoint_auth_methods_supported.includes('private_key_jwt');
  return needsDocuments(metadata) ?? (offered ? undefined : 'until the server takes `private_key_jwt`');
}

export default {
  client: 'ChatGPT',
  revision: '2025-11-25',
  discovery: ['challenge', 'resource', 'authorizationServer', 'openid'],
  registration: {
    client_name: 'ChatGPT',
    redirect_uris: [CALLBACK],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  },
  redirect: CALLBACK,
  authorization: { scope: '{challenged} offline_access', resource: '{mcp}' },
  redemption: { resource: '{mcp}' },
  refreshing: { resource: '{mcp}' },
  claims: [
    {
      says: 'registers the callback of one connector, signs in, calls a tool, refreshes',
      async play(scene) {
        const player = scene.player();
        await player.live();
        assert.match(player.consent, /chatgpt\.com/);
      },
    },
    {
      // DC-19
      says: 'is answered at the older callback when it registers that',
      async play(scene) {
        const redirect = 'https://chatgpt.com/connector_platform_oauth_redirect';
        const player = scene.player({ redirect });
        await player.settle({ redirect_uris: [redirect] });
        await player.redeem(await player.authorize());
      },
    },
    {
      // OA21-2.3.1-1: one connector's callback is not another's
      says: 'is not answered at the callback of another connector',
      async play(scene) {
        const player = await scene.player().settle();
        const page = await scene.visitor.open(player.authorizationUrl({ redirect_uri: `${CALLBACK}2` }));
        assert.equal(page.status, 400);
        assert.match(page.text, /asks to be answered at an address that is not its own/);
      },
    },
    {
      says: 'learns from `readOnlyHint` which tools need no question of its own',
      async play(scene) {
        const player = scene.player();
        const tools = await player.list((await player.connect()).access_token);
        const reads = (name) => tools.find((tool) => tool.name === name).annotations.readOnlyHint;
        assert.equal(reads('sandbox__echo'), true);
        assert.equal(reads('sandbox__list_files'), true);
        for (const { name, annotations } of tools) assert.equal(typeof annotations?.readOnlyHint, 'boolean', name);
      },
    },
    {
      // CIMD-6.2-1, DC-22
      says: 'signs in with its metadata document and proves itself by the key that stands there',
      waits: needsKeys,
      play: (scene) =>
        withDocument(DOCUMENT, async (place) => {
          const player = provenByKey(documentPlayer(scene, place, { redirect: DOCUMENT.redirect_uris[0] }), place);
          const { refresh_token: token } = await player.live();
          const bare = () => ({ client_id: place.url });
          player.authentication = bare;
          assert.equal((await player.token({ grant_type: 'refresh_token', refresh_token: token })).verdict, '401 invalid_client');
        }),
    },
  ],
};

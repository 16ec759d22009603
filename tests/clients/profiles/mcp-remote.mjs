// mcp-remote: a bridge for clients that speak stdio only. Its own loopback port, one registration kept for each server URL,
// and a look at the authorization URL before the browser is opened.

import assert from 'node:assert/strict';
import { ask } from '../lib/wire.mjs';

export default {
  client: 'mcp-remote',
  revision: '2025-11-25',
  discovery: ['challenge', 'resource', 'authorizationServer'],
  registration: {
    redirect_uris: ['http://localhost:{port}/oauth/callback'],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    client_name: 'MCP CLI Proxy',
    client_uri: 'https://github.com/modelcontextprotocol/mcp-cli',
    software_id: '2e6dc280-f3c3-4e01-99a7-8181dbd1d23d',
    software_version: '0.1.38',
    scope: '{challenged}',
  },
  redirect: 'http://localhost:{port}/oauth/callback',
  authorization: { scope: '{challenged}', resource: '{mcp}' },
  redemption: { resource: '{mcp}' },
  refreshing: { resource: '{mcp}' },
  claims: [
    {
      says: 'registers its own loopback port, signs in, calls a tool, refreshes',
      play: (scene) => scene.player().live(),
    },
    {
      // DC-7
      says: 'keeps its registration and comes back on another port',
      async play(scene) {
        const player = await scene.player().settle();
        await player.redeem(await player.authorize());
        await player.redeem(await player.authorize({ redirect_uri: 'http://localhost:3335/oauth/callback' }));
      },
    },
    {
      says: 'looks at the authorization URL first, and its user can still open it',
      async play(scene) {
        const player = await scene.player().settle();
        const looked = await ask(player.authorizationUrl(), { headers: { accept: 'application/json' } });
        assert.equal(looked.status, 303);
        await player.redeem(await player.authorize());
      },
    },
    {
      // DC-5: what it falls back to
      says: 'registers and asks for `openid email profile` alone, and gets what tools need',
      async play(scene) {
        const scope = 'openid email profile';
        const player = scene.player({ authorization: { scope, resource: '{mcp}' } });
        await player.settle({ scope });
        const tokens = await player.redeem(await player.authorize());
        await player.list(tokens.access_token);
      },
    },
    {
      // DC-18
      says: 'with a registration that is gone: its user reads how to reconnect',
      async play(scene) {
        const player = await scene.player().settle();
        await scene.server.run(['client', 'remove', player.client, '--yes']);
        const page = await scene.visitor.open(player.authorizationUrl());
        assert.equal(page.status, 400);
        assert.match(page.text, /This application is not known here/);
        assert.match(page.text, /add it again: it will register anew/);
      },
    },
  ],
};

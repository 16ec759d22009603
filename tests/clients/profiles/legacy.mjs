// Clients of MCP 2025-03-26: the authorization server is where the MCP server is, there is no protected resource metadata
// and no `resource`, and who finds no metadata uses default paths.

import assert from 'node:assert/strict';

export default {
  client: 'Clients of 2025-03-26',
  revision: '2025-03-26',
  discovery: ['challenge', 'authorizationServer'],
  registration: {
    client_name: 'Old faithful',
    redirect_uris: ['http://localhost:{port}/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  },
  redirect: 'http://localhost:{port}/callback',
  claims: [
    {
      // DC-2, DC-14
      says: 'finds the metadata at the root, names neither scope nor `resource`, signs in, calls a tool, refreshes',
      play: (scene) => scene.player().live(),
    },
    {
      // MCP-AUTH-27
      says: 'finds `/register`, `/authorize` and `/token` without any metadata',
      play: (scene) => scene.player({ discovery: ['challenge', 'defaults'] }).live(),
    },
    {
      // HTTP25-11
      says: 'sends no `MCP-Protocol-Version` and is answered in its own revision',
      async play(scene) {
        const player = scene.player();
        const tools = await player.use((await player.connect()).access_token);
        assert.ok(tools.length > 0);
      },
    },
  ],
};

// VS Code with Copilot: registers all its callbacks in one call, is answered at whichever port is free, and in some versions
// forgets `resource` at the token endpoint.

import assert from 'node:assert/strict';

const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

export default {
  client: 'VS Code',
  revision: '2025-11-25',
  capabilities: { elicitation: { form: {}, url: {} }, roots: { listChanged: true }, sampling: {} },
  discovery: ['challenge', 'resource', 'authorizationServer'],
  registration: {
    client_name: 'Visual Studio Code',
    client_uri: 'https://code.visualstudio.com',
    redirect_uris: [
      'https://insiders.vscode.dev/redirect',
      'https://vscode.dev/redirect',
      'http://127.0.0.1/',
      'http://127.0.0.1:33418/',
    ],
    grant_types: ['authorization_code', 'refresh_token', DEVICE_GRANT],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    application_type: 'native',
  },
  redirect: 'http://127.0.0.1:33418/',
  authorization: { scope: '{challenged}', resource: '{mcp}' },
  redemption: { resource: '{mcp}' },
  refreshing: { resource: '{mcp}' },
  claims: [
    {
      says: 'registers all its callbacks at once, signs in at port 33418, calls a tool, refreshes',
      async play(scene) {
        const player = scene.player();
        await player.live();
        assert.deepEqual(player.registered.redirect_uris, player.profile.registration.redirect_uris);
        assert.equal(player.registered.application_type, 'native');
      },
    },
    {
      // R7591-3.2.1-2, A35: the device grant is for clients that an admin registered; it is dropped, and the answer shows it
      says: 'learns at registration which grants it got',
      async play(scene) {
        const player = await scene.player().settle();
        assert.deepEqual(player.registered.grant_types, ['authorization_code', 'refresh_token']);
      },
    },
    {
      // DC-8, OA21-8.4.2-1
      says: 'comes back to another loopback port, with the slash and without',
      async play(scene) {
        const player = await scene.player().settle();
        for (const redirect_uri of ['http://127.0.0.1:59656/', 'http://127.0.0.1:59656', 'http://127.0.0.1:33418']) {
          await player.redeem(await player.authorize({ redirect_uri }));
        }
      },
    },
    {
      // DC-7, DC-8
      says: 'is not answered at another path or at `localhost`, and its user reads both addresses',
      async play(scene) {
        const player = await scene.player().settle();
        for (const redirect_uri of ['http://127.0.0.1:33418/other', 'http://localhost:33418/']) {
          const page = await scene.visitor.open(player.authorizationUrl({ redirect_uri }));
          assert.equal(page.status, 400);
          for (const address of [redirect_uri, 'http://127.0.0.1:33418/']) assert.ok(page.text.includes(address), page.text);
        }
      },
    },
    {
      says: 'is answered in the browser at `vscode.dev`',
      async play(scene) {
        const player = await scene.player().settle();
        await player.redeem(await player.authorize({ redirect_uri: 'https://vscode.dev/redirect' }));
        assert.match(player.consent, /vscode\.dev/);
      },
    },
    {
      // DC-2
      says: 'forgets `resource` at the token endpoint',
      play: (scene) => scene.player({ redemption: {}, refreshing: {} }).live(),
    },
    {
      // DC-5: seen in older versions
      says: 'asks for `openid profile email` alone, and gets what tools need',
      async play(scene) {
        const player = await scene.player().settle();
        const tokens = await player.redeem(await player.authorize({ scope: 'openid profile email' }));
        assert.ok(tokens.scope.split(' ').includes('mcp.tools.execute'), tokens.scope);
        await player.list(tokens.access_token);
      },
    },
    {
      // It asks its user again to trust a server whose list of tools has changed.
      says: 'reads the same list of tools every time',
      async play(scene) {
        const player = scene.player();
        const { access_token: access } = await player.connect();
        assert.deepEqual(await player.list(access), await player.list(access));
      },
    },
  ],
};

// Cursor: three callbacks in one registration, one of them a scheme of its own, and calls itself a web application.

import assert from 'node:assert/strict';

const APP = 'cursor://anysphere.cursor-mcp/oauth/callback';
const WEB = 'https://www.cursor.com/agents/mcp/oauth/callback';
const LOOPBACK = 'http://localhost:8787/callback';
const LONGEST_NAMES = 60;

export default {
  client: 'Cursor',
  revision: '2025-06-18',
  capabilities: { elicitation: {} },
  discovery: ['challenge', 'resource', 'authorizationServer'],
  registration: {
    client_name: 'Cursor',
    redirect_uris: [APP, WEB, LOOPBACK],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    application_type: 'web',
  },
  redirect: LOOPBACK,
  authorization: { scope: '{challenged}', resource: '{mcp}' },
  redemption: { resource: '{mcp}' },
  refreshing: { resource: '{mcp}' },
  claims: [
    {
      // DC-9, DC-10
      says: 'registers three callbacks in one call, and is told that it is a native application',
      async play(scene) {
        const player = await scene.player().settle();
        assert.deepEqual(player.registered.redirect_uris, [APP, WEB, LOOPBACK]);
        assert.equal(player.registered.application_type, 'native');
      },
    },
    {
      says: 'signs in at each of them, calls a tool, refreshes',
      async play(scene) {
        for (const redirect of [LOOPBACK, WEB, APP]) await scene.player({ redirect }).live();
      },
    },
    {
      // DC-9
      says: 'keeps its good callbacks when one is refused',
      async play(scene) {
        const player = scene.player();
        await player.settle({ redirect_uris: ['cursor://somebody.else/callback', APP, LOOPBACK, 'javascript:alert(1)'] });
        assert.deepEqual(player.registered.redirect_uris, [APP, LOOPBACK]);
        await player.redeem(await player.authorize());
      },
    },
    {
      // ASVS-3.4.3b, DC-16
      says: 'is reached by its own scheme from a real browser, when its user allows it',
      play: (scene) =>
        scene.withPerson(async (person) => {
          const player = await scene.player({ redirect: APP }).settle();
          const arrives = person.page.waitForRequest((request) => request.url().startsWith(APP));
          const consent = await person.decide(player.authorizationUrl());
          const { searchParams: answer } = new URL((await arrives).url());
          assert.match(consent, /cursor:/);
          player.redirect = APP;
          await player.use((await player.redeem(answer.get('code'))).access_token);
        }),
    },
    {
      says: `finds names of server and tool within ${LONGEST_NAMES} characters together`,
      async play(scene) {
        const player = scene.player();
        const tools = await player.list((await player.connect()).access_token);
        for (const { name } of tools) assert.ok(`portcullis${name}`.length <= LONGEST_NAMES, name);
      },
    },
  ],
};

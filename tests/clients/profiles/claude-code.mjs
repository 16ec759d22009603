// Claude Code: registers itself, or brings a document whose loopback callbacks name no port; several processes share one
// stored refresh token.

import assert from 'node:assert/strict';
import { documentPlayer, withDocument } from '../lib/document.mjs';
import { refreshTogether } from '../lib/together.mjs';

const LONGEST_TOOL_NAME = 64;
const PROCESSES = 6;

// https://claude.ai/oauth/claude-code-client-metadata
const DOCUMENT = {
  client_id: '{document}',
  client_name: 'Claude Code',
  client_uri: 'https://claude.ai',
  redirect_uris: ['http://localhost/callback', 'http://127.0.0.1/callback'],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
};

/** CIMD is used only where both are advertised (DC-12). */
export function needsDocuments(metadata) {
  const both =
    metadata.client_id_metadata_document_supported && metadata.token_endpoint_auth_methods_supported.includes('none');
  return both ? undefined : 'until the server reads client metadata documents';
}

export default {
  client: 'Claude Code',
  revision: '2026-07-28',
  capabilities: { elicitation: {} },
  discovery: ['challenge', 'resource', 'authorizationServer'],
  registration: {
    client_name: 'Claude Code (portcullis)',
    redirect_uris: ['http://localhost:{port}/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  },
  redirect: 'http://localhost:{port}/callback',
  // It adds offline_access where the server lists it.
  authorization: { scope: '{challenged} offline_access', resource: '{mcp}' },
  redemption: { resource: '{mcp}' },
  refreshing: { resource: '{mcp}' },
  claims: [
    {
      says: 'registers itself, signs in, calls a tool, refreshes',
      play: (scene) => scene.player().live(),
    },
    {
      // DC-7
      says: 'comes back to another loopback port than the one it registered',
      async play(scene) {
        const player = await scene.player().settle();
        await player.redeem(await player.authorize({ redirect_uri: 'http://localhost:53124/callback' }));
        assert.match(player.consent, /localhost:53124/);
      },
    },
    {
      // DC-2
      says: 'leaves `resource` out everywhere',
      async play(scene) {
        const nothing = { resource: undefined };
        await scene.player({ authorization: { scope: '{challenged}' }, redemption: nothing, refreshing: nothing }).live();
      },
    },
    {
      // DC-3: a resource here has a path, so its origin is not its name
      says: 'is told `invalid_target` when it sends the bare origin with a slash as `resource`',
      async play(scene) {
        const player = await scene.player().settle();
        const { answer } = await player.answered({ resource: '{origin}/' });
        assert.equal(answer.get('error'), 'invalid_target');
      },
    },
    {
      // DC-15
      says: `refreshes one stored token from ${PROCESSES} processes at once, and stays signed in`,
      async play(scene) {
        const player = scene.player();
        const { refresh_token: shared } = await player.connect();
        const answers = await refreshTogether(player, shared, PROCESSES);
        const [first, ...others] = answers.map(({ status, text }) => {
          assert.equal(status, 200, text);
          return JSON.parse(text);
        });
        for (const other of others) {
          assert.equal(other.refresh_token, first.refresh_token);
          assert.equal(other.access_token, first.access_token);
        }
        await player.use(first.access_token);
        const next = await player.refresh(first.refresh_token);
        await player.list(next.access_token);
      },
    },
    {
      // MCP-AUTH-9: versions before 2.1.85 mishandle the 403, so what the tools need is in the first challenge
      says: 'needs no step-up, and survives one that it cannot do',
      async play(scene) {
        const player = await scene.player().settle();
        const full = await player.redeem(await player.authorize());
        await player.use(full.access_token);

        const narrow = await player.redeem(await player.authorize({}, { untick: ['mcp.tools.execute'] }));
        const speaker = player.speaker(narrow.access_token);
        const refused = await speaker.request('tools/call', { name: 'sandbox__echo', arguments: { message: 'x' } });
        assert.equal(refused.status, 403);
        const challenge = refused.headers.get('www-authenticate');
        assert.match(challenge, /error="insufficient_scope"/);
        assert.match(challenge, /scope="[^"]*mcp\.tools\.execute/);
        assert.match(challenge, /resource_metadata="/);
        assert.ok((await speaker.list()).length > 0, 'the token lives on');
      },
    },
    {
      says: `finds tool names that fit its prefix within ${LONGEST_TOOL_NAME} characters`,
      async play(scene) {
        const player = scene.player();
        const tools = await player.list((await player.connect()).access_token);
        for (const { name } of tools) assert.ok(`mcp__portcullis__${name}`.length <= LONGEST_TOOL_NAME, name);
      },
    },
    {
      // DC-18: it registers anew only when the token endpoint says 401 invalid_client; a person is told what to do
      says: 'with a registration that is gone, learns so at the token endpoint, and its user reads how to reconnect',
      async play(scene) {
        const player = await scene.player().settle();
        const { refresh_token: token } = await player.redeem(await player.authorize());
        await scene.server.run(['client', 'remove', player.client, '--yes']);
        assert.equal((await player.token({ grant_type: 'refresh_token', refresh_token: token })).verdict, '401 invalid_client');

        const page = await scene.visitor.open(player.authorizationUrl());
        assert.equal(page.status, 400);
        assert.match(page.headers.get('content-type'), /^text\/html/);
        assert.match(page.text, /remove this server and its stored login, then add it again/);
        assert.ok(page.text.includes(player.client));
        await player.register();
        await player.redeem(await player.authorize());
      },
    },
    {
      // CIMD-4.5-1, DC-7, DC-12
      says: 'signs in with its metadata document, whose loopback callbacks name no port',
      waits: needsDocuments,
      play: (scene) =>
        withDocument(DOCUMENT, async (place) => {
          for (const host of ['localhost', '127.0.0.1']) {
            const player = documentPlayer(scene, place, { redirect: `http://${host}:{port}/callback` });
            await player.live();
            assert.match(player.consent, new RegExp(`${host}:${player.places.port}`));
          }
        }),
    },
  ],
};

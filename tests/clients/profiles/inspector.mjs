// MCP Inspector in direct mode: a web page that does everything by itself, from an origin that the operator must allow.

import assert from 'node:assert/strict';
import { pagePlayer } from '../lib/inspector.mjs';

const REVISIONS = ['2025-03-26', '2025-06-18', '2025-11-25', '2026-07-28'];
const [FIRST, SECOND, STRANGER] = [6274, 6276, 6275].map((port) => `http://localhost:${port}`);

export default {
  client: 'MCP Inspector',
  settings: { allowed_origins: `${FIRST},${SECOND}` },
  revision: '2025-11-25',
  discovery: ['challenge', 'resource', 'authorizationServer'],
  registration: {
    redirect_uris: ['{page}/oauth/callback', '{page}/oauth/callback/debug'],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    client_name: 'MCP Inspector',
    client_uri: 'https://github.com/modelcontextprotocol/inspector',
    scope: '{challenged}',
  },
  redirect: '{page}/oauth/callback',
  authorization: { scope: '{challenged}', resource: '{mcp}' },
  redemption: { resource: '{mcp}' },
  refreshing: { resource: '{mcp}' },
  claims: [
    {
      // DC-17, MCP-AUTH-28
      says: 'is a page at port 6274: reads the 401, registers, signs in, calls a tool, refreshes',
      play: (scene) => scene.withPerson(async (person) => (await pagePlayer(scene, person, FIRST)).live()),
    },
    {
      says: `at port 6276 speaks ${REVISIONS.join(', ')}`,
      play: (scene) =>
        scene.withPerson(async (person) => {
          const player = await pagePlayer(scene, person, SECOND);
          const { access_token: access } = await player.connect();
          for (const revision of REVISIONS) {
            player.profile.revision = revision;
            await player.list(access);
          }
        }),
    },
    {
      // DC-17
      says: 'may send every header that a client sends',
      play: (scene) =>
        scene.withPerson(async (person) => {
          const player = await pagePlayer(scene, person, FIRST);
          await player.discover();
          const mcp = { authorization: 'Bearer x', dpop: 'x', 'last-event-id': '1', 'mcp-session-id': 'x', 'mcp-param-x': 'x' };
          assert.equal((await player.send(player.places.mcp, { headers: mcp })).status, 401);
          const token = { authorization: 'Basic eDp5', dpop: 'x', 'mcp-protocol-version': '2025-11-25' };
          const refused = await player.send(player.metadata.token_endpoint, { method: 'POST', headers: token });
          assert.ok([400, 401].includes(refused.status), refused.text);
        }),
    },
    {
      // HTTP25-2, DC-17
      says: 'that the operator did not allow can read the metadata and register, and gets nothing from the MCP endpoint',
      play: (scene) =>
        scene.withPerson(async (person) => {
          const player = await pagePlayer(scene, person, STRANGER);
          await player.authorizationServer();
          await player.register({ scope: undefined });
          await assert.rejects(player.challenge(), /Failed to fetch/);
        }),
    },
  ],
};

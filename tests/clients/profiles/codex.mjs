// Codex (on rmcp): a callback with an id of the server in its path, everything that is offered as scope, `resource` never or
// twice, refreshes in parallel.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

const AT_ONCE = 8;
const TWICE = { resource: ['{mcp}', '{mcp}'] };

/** A player with Codex's own id: the beginning of a hash of the server's URL. */
function codex(scene, changes = {}) {
  const player = scene.player(changes);
  player.places.id = createHash('sha256').update(player.places.mcp).digest().subarray(0, 9).toString('base64url');
  return player;
}

export default {
  client: 'Codex',
  revision: '2025-06-18',
  capabilities: { elicitation: {} },
  discovery: ['probe', 'resource', 'authorizationServer'],
  registration: {
    client_name: 'Codex',
    redirect_uris: ['http://127.0.0.1:{port}/callback/{id}'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  },
  redirect: 'http://127.0.0.1:{port}/callback/{id}',
  // It takes no notice of the challenge's scope and asks for everything that the server lists.
  authorization: { scope: '{supported}' },
  claims: [
    {
      // DC-2, DC-8, DC-21
      says: 'probes with GET, registers a callback with its id, names no `resource`, signs in, calls a tool, refreshes',
      play: (scene) => codex(scene).live(),
    },
    {
      // DC-2
      says: 'names the same `resource` twice, everywhere',
      async play(scene) {
        const player = codex(scene, { authorization: { scope: '{supported}', ...TWICE }, redemption: TWICE, refreshing: TWICE });
        await player.live();
      },
    },
    {
      // DC-8
      says: 'that registered `/callback` and adds its id later is not answered, and its user reads both addresses',
      async play(scene) {
        const player = codex(scene);
        await player.settle({ redirect_uris: ['http://127.0.0.1:{port}/callback'] });
        const url = player.authorizationUrl();
        const page = await scene.visitor.open(url);
        assert.equal(page.status, 400);
        assert.ok(page.text.includes(url.searchParams.get('redirect_uri')));
        assert.ok(page.text.includes(player.fill('registered: http://127.0.0.1:{port}/callback')));
      },
    },
    {
      // DC-15
      says: `refreshes ${AT_ONCE} times in parallel and stays signed in`,
      async play(scene) {
        const player = codex(scene);
        const { refresh_token: shared } = await player.connect();
        const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => player.refresh(shared)));
        assert.equal(new Set(answers.map((tokens) => tokens.refresh_token)).size, 1);
        for (const access of new Set(answers.map((tokens) => tokens.access_token))) await player.use(access);
        await player.refresh(answers[0].refresh_token);
      },
    },
    {
      // DC-15: an answer that was lost is asked for again
      says: 'asks again with the token that it has, when an answer was lost',
      async play(scene) {
        const player = codex(scene);
        const { refresh_token: token } = await player.connect();
        const lost = await player.refresh(token);
        const again = await player.refresh(token);
        assert.equal(again.refresh_token, lost.refresh_token);
        await player.list(again.access_token);
      },
    },
  ],
};

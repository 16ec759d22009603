// claude.ai and Claude Desktop: one fixed callback, a registration with a secret, and a hosted client that reaches the
// server for everybody from the same few addresses.

import assert from 'node:assert/strict';
import { Visitor } from '../lib/visitor.mjs';
import { post } from '../lib/wire.mjs';

const USERS = 50;
const LANES = 5;
const PASSWORD = 'fifty purple tractors waiting';
// A documentation address stands for the one from which the hosted client calls (RFC 5737).
const EGRESS = { 'x-forwarded-for': '203.0.113.7' };
const home = (number) => ({ 'x-forwarded-for': `198.51.100.${number}` });

export default {
  client: 'claude.ai, Claude Desktop',
  settings: { trusted_proxies: '127.0.0.1' },
  headers: EGRESS,
  personHeaders: home(1),
  revision: '2025-11-25',
  discovery: ['challenge', 'resource', 'authorizationServer'],
  registration: {
    client_name: 'Claude',
    redirect_uris: ['https://claude.ai/api/mcp/auth_callback'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_post',
    scope: 'claudeai',
  },
  redirect: 'https://claude.ai/api/mcp/auth_callback',
  authorization: { scope: '{challenged} offline_access', resource: '{mcp}' },
  redemption: { resource: '{mcp}' },
  refreshing: { resource: '{mcp}' },
  claims: [
    {
      // DC-5, DC-24: the document's `resource` is the URL that the user typed, which the player asserts
      says: 'registers with a secret and a scope of its own that nobody knows, signs in, calls a tool, refreshes',
      async play(scene) {
        const player = scene.player();
        await player.live();
        assert.ok(player.secret);
        assert.equal(player.registered.scope, undefined);
        assert.match(player.consent, /claude\.ai/);
      },
    },
    {
      // DC-19
      says: 'is answered at `claude.com` when it registers that callback',
      async play(scene) {
        const redirect = 'https://claude.com/api/mcp/auth_callback';
        const player = scene.player({ redirect });
        await player.settle({ redirect_uris: [redirect] });
        await player.redeem(await player.authorize());
        assert.match(player.consent, /claude\.com/);
      },
    },
    {
      says: 'looks at every document again at each connection',
      async play(scene) {
        const player = scene.player();
        const { access_token: access } = await player.connect();
        for (let connection = 0; connection < 5; connection += 1) {
          await player.discover();
          await player.list(access);
        }
      },
    },
    {
      // DC-18
      says: 'registers anew when the token endpoint says 401 `invalid_client`',
      async play(scene) {
        const player = scene.player();
        const { refresh_token: token } = await player.connect();
        await scene.server.run(['client', 'remove', player.client, '--yes']);
        const gone = await player.token({ grant_type: 'refresh_token', refresh_token: token });
        assert.equal(gone.verdict, '401 invalid_client');
        await player.live();
      },
    },
    {
      // A36, A52
      says: `connects ${USERS} users in a row from one address, and throttles none of them`,
      async play(scene) {
        const numbers = Array.from({ length: USERS }, (_, index) => index + 1);
        await inLanes(LANES, numbers, async (number) => {
          const visitor = new Visitor(scene.server, await hire(scene.server, number), home(number + 1));
          const player = scene.player({}, visitor);
          const { access_token: access } = await player.connect();
          // These users have no connection yet, so there is nothing in the list; that it is answered is what counts.
          assert.ok(Array.isArray(await (await player.speaker(access).open()).list()));
        });
      },
    },
    {
      // R7591-3-1
      says: 'reads a 429 as JSON with a time to come again, while other addresses are served',
      async play(scene) {
        const flood = scene.player();
        await flood.discover();
        flood.headers = { 'x-forwarded-for': '192.0.2.99' };
        let answer;
        for (let tries = 0; tries < 1_000 && answer?.status !== 429; tries += 1) {
          answer = await flood.tryToRegister({ redirect_uris: [] });
        }
        assert.equal(answer.status, 429);
        const { error, error_description: description } = JSON.parse(answer.text);
        assert.ok(error && description, answer.text);
        assert.ok(Number(answer.headers.get('retry-after')) > 0);
        assert.equal(answer.headers.get('access-control-allow-origin'), '*');
        await scene.player().settle();
      },
    },
    {
      // OA21-2.4.1-1, DC-11
      says: 'must present its secret, in the body or in the header, not in both',
      async play(scene) {
        const player = scene.player();
        const { refresh_token: token } = await player.connect();
        const fields = { grant_type: 'refresh_token', refresh_token: token, client_id: player.client };
        const ask = (more, headers) => post(player.metadata.token_endpoint, { ...fields, ...more }, { ...EGRESS, ...headers });
        const basic = Buffer.from(`${player.client}:${player.secret}`).toString('base64');
        const header = { authorization: `Basic ${basic}` };
        assert.equal((await ask({})).verdict, '401 invalid_client');
        assert.equal((await ask({ client_secret: player.secret }, header)).verdict, '400 invalid_request');
        assert.equal((await ask({}, header)).verdict, '200');
      },
    },
  ],
};

/** An account of their own for one of many users. */
async function hire(server, number) {
  const email = `user${number}@example.com`;
  await server.run(['user', 'add', '--email', email, '--password-stdin'], PASSWORD);
  return { email, password: PASSWORD };
}

/** Does the work for every entry, for so many at a time: what is played is a crowd, not an overload. */
async function inLanes(count, entries, work) {
  const left = [...entries];
  const lane = async () => {
    for (let entry = left.shift(); entry !== undefined; entry = left.shift()) await work(entry);
  };
  await Promise.all(Array.from({ length: count }, lane));
}

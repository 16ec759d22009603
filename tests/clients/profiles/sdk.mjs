// What the SDKs for TypeScript, Python, C#, Go and Rust do in other people's applications: each habit by itself, and every
// spelling of `resource`.

import assert from 'node:assert/strict';

const EVERYTHING = '{supported}';
const PATHS = ['/callback', '/oauth/callback', '/mcp/oauth/callback'];

/** The URL of the MCP endpoint with another spelling of scheme and host. */
const shouted = ({ mcp }) => mcp.replace(/^http:\/\/localhost/, 'HTTP://LOCALHOST');

/** A server at the default port, which some spell out. */
export const atDefaultPort = (profile) => ({
  ...profile,
  client: 'The same, at a default port',
  publicUrl: 'http://localhost',
  claims: [
    {
      // MCP-AUTH-18, DC-1
      says: 'spells `resource` with the default port and without, and means the same',
      async play(scene) {
        const spelled = { resource: ['http://localhost:80/mcp', '{mcp}'] };
        const player = scene.player({ authorization: spelled, redemption: spelled, refreshing: spelled });
        assert.equal(player.places.mcp, 'http://localhost/mcp');
        await player.live();
      },
    },
  ],
});

/** Asks with these values of `resource` and gives what came of it. */
async function outcome(player, resource) {
  const { answer } = await player.answered({ resource });
  return answer.get('error') ?? 'allowed';
}

export default {
  client: 'Applications on the SDKs',
  revision: '2025-11-25',
  capabilities: { elicitation: { form: {} } },
  discovery: ['challenge', 'resource', 'authorizationServer'],
  registration: {
    client_name: 'An application',
    redirect_uris: ['http://127.0.0.1:{port}/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  },
  redirect: 'http://127.0.0.1:{port}/callback',
  authorization: { resource: '{mcp}' },
  redemption: { resource: '{mcp}' },
  refreshing: { resource: '{mcp}' },
  claims: [
    {
      // OA21-1.4.1-3
      says: 'names no scope and gets the working set, with a refresh token',
      async play(scene) {
        const { scope } = await scene.player().live();
        assert.equal(scope, 'mcp.resources.read mcp.tools.execute mcp.tools.read');
      },
    },
    {
      // DC-6
      says: 'adds `offline_access` because the server lists it',
      async play(scene) {
        const player = scene.player({ authorization: { scope: '{challenged} offline_access', resource: '{mcp}' } });
        const { scope } = await player.live();
        assert.ok(scope.split(' ').includes('offline_access'), scope);
      },
    },
    {
      says: 'asks for everything in `scopes_supported`',
      play: (scene) => scene.player({ authorization: { scope: EVERYTHING, resource: '{mcp}' } }).live(),
    },
    {
      // DC-5
      says: 'asks for a scope that nobody knows beside good ones, and reads what it got',
      async play(scene) {
        const player = await scene.player().settle();
        const tokens = await player.redeem(await player.authorize({ scope: 'mcp.tools.read admin profile' }));
        assert.equal(tokens.scope, 'mcp.tools.read');
      },
    },
    {
      // DC-5: the TypeScript SDK registers the scope of the first challenge
      says: 'registers a narrow scope and later gets a wider one',
      async play(scene) {
        const player = scene.player();
        await player.settle({ scope: 'mcp.tools.read' });
        assert.equal((await player.redeem(await player.authorize())).scope, 'mcp.tools.read');
        const wider = await player.redeem(await player.authorize({ scope: 'mcp.tools.read mcp.tools.execute' }));
        assert.equal(wider.scope, 'mcp.tools.execute mcp.tools.read');
        await player.use(wider.access_token);
      },
    },
    {
      says: 'sends no `state`',
      async play(scene) {
        const player = await scene.player().settle();
        await player.redeem(await player.authorize({ state: undefined }));
      },
    },
    {
      says: 'sends `prompt=consent`',
      async play(scene) {
        const player = await scene.player().settle();
        await player.redeem(await player.authorize({ prompt: 'consent' }));
      },
    },
    {
      // DC-20
      says: 'sends no `redirect_uri` at the token endpoint',
      async play(scene) {
        const player = await scene.player().settle();
        await player.redeem(await player.authorize(), { redirect_uri: undefined });
      },
    },
    {
      // DC-10
      says: 'says nothing of `application_type`, which is inferred',
      async play(scene) {
        const player = await scene.player().settle();
        assert.equal(player.registered.application_type, 'native');
        await player.register({ redirect_uris: ['https://app.example/callback'] });
        assert.equal(player.registered.application_type, 'web');
      },
    },
    {
      // R7591-2-2
      says: 'registers nothing but a callback, and gets a secret and the defaults',
      async play(scene) {
        const nothing = { grant_types: undefined, response_types: undefined, token_endpoint_auth_method: undefined };
        const player = scene.player();
        await player.settle({ ...nothing, client_name: undefined });
        assert.equal(player.registered.token_endpoint_auth_method, 'client_secret_basic');
        const code = await player.authorize();
        const answer = await player.token({ grant_type: 'authorization_code', code, code_verifier: player.verifier });
        assert.equal(answer.verdict, '200', answer.text);
      },
    },
    {
      says: 'is answered at each loopback path that clients use',
      async play(scene) {
        for (const host of ['127.0.0.1', 'localhost', '[::1]']) {
          const callbacks = PATHS.map((path) => `http://${host}:{port}${path}`);
          const player = scene.player();
          await player.settle({ redirect_uris: callbacks });
          for (const redirect_uri of callbacks) await player.redeem(await player.authorize({ redirect_uri }));
        }
      },
    },
    {
      // MCP-AUTH-18, DC-1
      says: 'spells `resource` with capitals, and means the same',
      async play(scene) {
        const player = scene.player();
        const loud = { resource: shouted(player.places) };
        Object.assign(player.profile, { authorization: loud, redemption: loud, refreshing: loud });
        await player.live();
      },
    },
    {
      // MCP-AUTH-18, DC-1: a slash after a path is another path
      says: 'spells `resource` with a slash at the end, and is told `invalid_target`',
      async play(scene) {
        const player = await scene.player().settle();
        assert.equal(await outcome(player, '{mcp}/'), 'invalid_target');
      },
    },
    {
      // DC-2, R8707-2-3
      says: 'names one `resource` twice in two spellings; two different ones are `invalid_target`',
      async play(scene) {
        const player = await scene.player().settle();
        assert.equal(await outcome(player, ['{mcp}', shouted(player.places)]), 'allowed');
        assert.equal(await outcome(player, ['{mcp}', '{mcp}/sandbox']), 'invalid_target');
        assert.equal(await outcome(player, ['{mcp}', 'https://elsewhere.example/mcp']), 'invalid_target');
      },
    },
    {
      // R8707-2.1-2, R8707-2.2-1
      says: 'names another `resource` at the token endpoint, and is told `invalid_target` without losing its code',
      async play(scene) {
        const player = await scene.player().settle();
        const code = await player.authorize();
        const fields = { grant_type: 'authorization_code', code, code_verifier: player.verifier };
        for (const resource of ['{mcp}/', '{mcp}/sandbox', ['{mcp}', '{mcp}/sandbox']]) {
          assert.equal((await player.token({ ...fields, resource })).verdict, '400 invalid_target');
        }
        const { refresh_token: token } = await player.redeem(code);
        const refreshing = { grant_type: 'refresh_token', refresh_token: token };
        assert.equal((await player.token({ ...refreshing, resource: '{mcp}/sandbox' })).verdict, '400 invalid_target');
        await player.refresh(token);
      },
    },
    {
      // The endpoint answers with and without the slash, since clients drop the token when they are redirected.
      says: 'was given the URL with a slash at the end, and reads the right `resource` in the metadata',
      async play(scene) {
        const player = scene.player();
        const typed = `${player.places.mcp}/`;
        const { access_token: access } = await player.connect();
        player.places.mcp = typed;
        await player.challenge();
        assert.equal((await player.document(player.resourceMetadataUrl)).resource, typed.slice(0, -1));
        await player.use(access);
      },
    },
  ],
};

// The whole journey of a real MCP client: 401, discovery, registration, sign-in, consent, tools,
// silent refresh, restart, revocation.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { story, withBrowser } from './lib/stage.mjs';

withBrowser();

const ECHO = { name: 'sandbox__echo', arguments: { message: 'hello' } };
const LIST_FILES = { name: 'sandbox__list_files', arguments: {} };

function text(result) {
  return result.content.map((block) => block.text).join('\n');
}

story('signs its user in, lists the tools and calls two', {}, async ({ application }) => {
  const consent = await application.signIn();
  assert.match(consent, /Story Teller/);
  assert.match(consent, /127\.0\.0\.1/);
  assert.equal(application.endpoint.revision(), application.kind.revision);

  const { tools } = await application.client.listTools();
  const names = tools.map((tool) => tool.name);
  assert.ok(names.includes(ECHO.name) && names.includes(LIST_FILES.name), `tools: ${names}`);

  const echoed = await application.client.callTool(ECHO);
  assert.ok(!echoed.isError);
  assert.match(text(echoed), /hello/);
  const listed = await application.client.callTool(LIST_FILES);
  assert.ok(!listed.isError);
  assert.notEqual(text(listed), '');
});

story('refreshes silently after expiry', { settings: { access_token_seconds: 2 } }, async ({ application }) => {
  await application.signIn();
  const { access_token: first, refresh_token: seed } = application.provider.tokens();

  const deadline = Date.now() + 20_000;
  while (application.provider.tokens().access_token === first && Date.now() < deadline) {
    await application.client.listTools();
    await pause(200);
  }

  const { access_token: second, refresh_token: successor } = application.provider.tokens();
  assert.notEqual(second, first);
  assert.notEqual(successor, seed);
  assert.match(text(await application.client.callTool(ECHO)), /hello/);
  assert.equal(application.provider.redirects, 1);
});

story('stays signed in when the server restarts', {}, async ({ application, server }) => {
  await application.signIn();
  const { password } = server.demo;

  assert.equal((await server.stop()).code, 0);
  await server.launch();

  assert.equal(server.demo.password, password);
  await application.reconnect();
  assert.match(text(await application.client.callTool(ECHO)), /hello/);
  assert.equal(application.provider.redirects, 1);
});

story('loses access when its refresh token is revoked', {}, async ({ application, server }) => {
  await application.signIn();
  await application.client.callTool(ECHO);
  const { refresh_token: token } = application.provider.tokens();

  const revoked = await server.revoke(token, application.provider.clientInformation().client_id);
  assert.equal(revoked.status, 200);

  await assert.rejects(application.client.callTool(ECHO), application.kind.Unauthorized);
  assert.equal(application.provider.tokens(), undefined);
  assert.equal(application.provider.redirects, 2);
});

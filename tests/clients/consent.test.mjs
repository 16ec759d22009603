// What the person decides on the consent page is what the client gets: less than it asked for, or
// nothing, and the client is told in the words of the specifications.

import assert from 'node:assert/strict';
import { story, withBrowser } from './lib/stage.mjs';

withBrowser();

const ECHO = { name: 'sandbox__echo', arguments: { message: 'hello' } };
const EXECUTE = 'mcp.tools.execute';

story('an unticked scope is not granted', {}, async ({ application }) => {
  await application.signIn({ untick: [EXECUTE] });
  assert.ok(!application.provider.tokens().scope.split(' ').includes(EXECUTE));

  const { tools } = await application.client.listTools();
  assert.ok(tools.some((tool) => tool.name === ECHO.name));

  await assert.rejects(application.client.callTool(ECHO));
  const refusal = application.refusals.at(-1);
  assert.equal(refusal.status, 403);
  assert.match(refusal.challenge, /error="insufficient_scope"/);
  assert.match(refusal.challenge, /scope="[^"]*mcp\.tools\.execute[^"]*"/);
});

story('a step-up obtains later what was unticked at first', { told: (kind) => kind.stepsUp }, async ({ application }) => {
  await application.signIn({ untick: [EXECUTE] });
  await assert.rejects(application.client.callTool(ECHO), application.kind.Unauthorized);
  assert.equal(application.provider.redirects, 2);

  const { answer } = await application.ask();
  await application.endpoint.finish(answer);

  assert.ok(application.provider.tokens().scope.split(' ').includes(EXECUTE));
  const echoed = await application.client.callTool(ECHO);
  assert.ok(!echoed.isError);
});

// Without JavaScript, which none of the pages on this way may need.
story('a refusal arrives as access_denied', { scripts: false }, async ({ application }) => {
  await application.meetTheGate();
  const { answer } = await application.ask({ decision: 'deny' });

  assert.equal(answer.get('error'), 'access_denied');
  assert.equal(answer.get('code'), null);
  assert.equal(application.provider.tokens(), undefined);
});

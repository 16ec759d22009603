// The official conformance suite: the authorization server's checks with a person in a real browser, and
// the server scenarios that apply to the sandbox, in both eras of the protocol.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launchBrowser, Person } from '../clients/lib/browser.mjs';
import { engines } from '../clients/lib/engines.mjs';
import { Requester } from '../clients/lib/requester.mjs';
import { freePort, Server } from '../clients/lib/server.mjs';
import { Visitor } from '../clients/lib/visitor.mjs';
import { BearerProxy } from './lib/proxy.mjs';
import { runSuite } from './lib/suite.mjs';

const SUITE_MS = 90_000;

// README.md says what each is about, the baselines say why the others do not apply.
const APPLYING = {
  '2025-11-25': [
    'dns-rebinding-protection',
    'logging-set-level',
    'ping',
    'prompts-list',
    'resources-list',
    'server-initialize',
    'server-session-lifecycle',
    'server-sse-multiple-streams',
    'tools-list',
  ],
  '2026-07-28': [
    'caching',
    'dns-rebinding-protection',
    'http-header-validation',
    'input-required-result-unsupported-methods',
    'prompts-list',
    'resources-list',
    'sep-2164-resource-not-found',
    'server-sse-multiple-streams',
    'server-stateless',
    'tools-list',
  ],
};
// It calls a tool that is not in the sandbox, and is content with any refusal.
const PASSES_BY_ABSENCE = 'input-required-result-validate-input';

function conformance(title, body) {
  for (const engine of engines) {
    test(`${title} (${engine.name})`, { timeout: SUITE_MS }, async (t) => {
      const server = await Server.start({ database: await engine.fresh() });
      try {
        await body(t, server);
      } catch (error) {
        error.message += `\n--- the server's log ---\n${server.log}`;
        throw error;
      } finally {
        await server.close();
      }
    });
  }
}

async function register(endpoint, redirectUri) {
  const body = JSON.stringify({ redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' });
  const answer = await fetch(endpoint, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
  assert.equal(answer.status, 201);
  return (await answer.json()).client_id;
}

conformance('the authorization server passes the checks of the suite', async (t, server) => {
  const browser = await launchBrowser();
  t.after(() => browser.close());
  const person = await Person.sitDown(browser, server.demo);
  const metadata = await server.metadata();
  const port = await freePort();
  const client = await register(metadata.registration_endpoint, `http://127.0.0.1:${port}/callback`);

  let visit;
  const options = ['--url', metadata.issuer, '--client-id', client, '--port', `${port}`];
  const outcome = await runSuite(['authorization', ...options], (line) => {
    if (line.startsWith(`${metadata.authorization_endpoint}?`)) visit = person.decide(line);
  });
  await visit;

  assert.equal(outcome.code, 0, outcome.report);
  assert.deepEqual(Object.fromEntries(outcome.checks.map(({ id, status }) => [id, status])), {
    'authorization-server-metadata': 'SUCCESS',
    'authorization-server-metadata-cimd': 'SUCCESS',
    'authorization-code-grant': 'SUCCESS',
  });
  t.diagnostic('conformance, authorization server: 3 of 3 checks passed');
});

for (const [revision, scenarios] of Object.entries(APPLYING)) {
  conformance(`the sandbox passes the scenarios that apply at ${revision}`, async (t, server) => {
    const client = await Requester.register(server, new Visitor(server));
    const { access } = await client.connect();
    const proxy = await BearerProxy.listen(server.demo.mcp_url, access);
    t.after(() => proxy.close());

    const baseline = fileURLToPath(new URL(`baseline-${revision}.yml`, import.meta.url));
    const which = ['--suite', 'all', '--spec-version', revision, '--expected-failures', baseline];
    const outcome = await runSuite(['server', '--url', proxy.url, ...which]);

    assert.equal(outcome.code, 0, outcome.report);
    const { passed, ran } = outcome;
    passed.delete(PASSES_BY_ABSENCE);
    assert.deepEqual([...passed.keys()].sort(), scenarios, outcome.report);
    const checks = [...passed.values()].reduce((sum, count) => sum + count);
    t.diagnostic(`conformance, ${revision}: ${passed.size} scenarios apply and passed ${checks} checks, of ${ran.length}`);
  });
}

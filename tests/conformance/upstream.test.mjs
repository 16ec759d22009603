// The official conformance suite against the fixture upstream, by itself and through the gateway at `/mcp/{alias}`: what is
// right about the fixture is the suite's verdict, and what passes there has to pass through the gateway as well.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { engines } from '../clients/lib/engines.mjs';
import { startFixture } from '../clients/lib/fixture.mjs';
import { Requester } from '../clients/lib/requester.mjs';
import { Server } from '../clients/lib/server.mjs';
import { Visitor } from '../clients/lib/visitor.mjs';
import { BearerProxy } from './lib/proxy.mjs';
import { runSuite } from './lib/suite.mjs';

const SUITE_MS = 120_000;

// Run by the suite but not scored, and right all the same.
const BEYOND = {
  '2025-11-25': ['json-schema-2020-12', 'server-session-lifecycle', 'server-sse-polling'],
  '2026-07-28': ['http-custom-header-server-validation', 'http-header-validation', 'json-schema-2020-12'],
};
// The fixture's address of that era alone.
const OF_THE_ERA = { '2025-11-25': '/sessions', '2026-07-28': '/stateless' };
// What passes at the fixture and not through the gateway, with the reasons; docs/conformance.md shows them.
const REASONS = JSON.parse(await readFile(new URL('not-through-gateway.json', import.meta.url), 'utf8'));
const notThrough = (revision) => REASONS.flatMap((reason) => reason[revision]).sort();

for (const [revision, beyond] of Object.entries(BEYOND)) {
  test(`the fixture upstream meets what ${revision} requires`, { timeout: SUITE_MS }, async (t) => {
    const { outcome, passed, unwell } = await judge(`${await startFixture(t)}/mcp`, revision);
    assert.equal(outcome.code, 0, outcome.report);
    assert.deepEqual(unwell, [], outcome.report);
    for (const scenario of beyond) assert.ok(outcome.passed.has(scenario), `${scenario}\n${outcome.report}`);
    t.diagnostic(`conformance, fixture upstream at ${revision}: ${passed.length} scenarios passed`);
  });
}

for (const engine of engines) {
  for (const revision of Object.keys(BEYOND)) {
    test(`through the gateway it is the same at ${revision} (${engine.name})`, { timeout: SUITE_MS }, async (t) => {
      const upstream = `${await startFixture(t)}${OF_THE_ERA[revision]}`;
      const direct = await judge(upstream, revision);
      const through = await judge(await behindGateway(t, engine, upstream), revision);
      const missing = direct.passed.filter((scenario) => !through.passed.includes(scenario));
      assert.deepEqual(missing, notThrough(revision), through.outcome.report);
      t.diagnostic(`conformance, through the gateway at ${revision}: ${through.passed.length} of ${direct.passed.length} scenarios`);
    });
  }
}

/** The demo user's connection to `upstream`, called with a token of theirs: its address. */
async function behindGateway(t, engine, upstream) {
  const limits = { user_calls_per_minute: 10_000, user_lists_per_minute: 10_000, user_tool_calls_per_minute: 10_000 };
  const server = await Server.start({ database: await engine.fresh(), settings: limits });
  t.after(() => server.close());
  const fixture = ['--slug', 'fixture', '--url', upstream, '--auth', 'none', '--new-tools', 'allow', '--relays', 'sampling,roots'];
  await server.run(['server', 'add', ...fixture]);
  await server.run(['connection', 'add', '--user', server.demo.email, '--server', 'fixture', '--alias', 'fixture']);
  const client = await Requester.register(server, new Visitor(server));
  const resource = `${server.demo.mcp_url}/fixture`;
  const { access } = await client.connect(resource);
  const proxy = await BearerProxy.listen(resource, access);
  t.after(() => proxy.close());
  return proxy.url;
}

/** What a revision requires, asked of the server at `url`; the extension of tasks is one that nobody offers here. */
async function judge(url, revision) {
  const outcome = await runSuite(['server', '--url', url, '--requirements', revision]);
  const failed = new Set(outcome.lines.flatMap((line) => /^✗ ([\w-]+):/.exec(line)?.[1] ?? []));
  const unwell = [...failed].filter((scenario) => !scenario.startsWith('tasks-')).sort();
  const passed = [...outcome.passed.keys()].filter((scenario) => !failed.has(scenario)).sort();
  return { outcome, passed, unwell };
}

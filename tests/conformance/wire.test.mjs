// The official conformance suite's client scenarios that concern the wire, against the wire that the gateway speaks to
// upstream servers with; `fixture-client` only drives it. Those about OAuth and about asking people are the gateway's.

import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { runSuite } from './lib/suite.mjs';

const DEFAULT_BINARY = fileURLToPath(new URL('../../target/debug/fixture-client', import.meta.url));
const BINARY = path.resolve(process.env.FIXTURE_CLIENT_BIN ?? DEFAULT_BINARY);
const SCENARIO_MS = 60_000;

const SCENARIOS = {
  '2025-11-25': ['initialize', 'tools_call', 'sse-retry'],
  '2026-07-28': [
    'tools_call',
    'request-metadata',
    'http-standard-headers',
    'http-custom-headers',
    'http-invalid-tool-headers',
    'sep-2322-client-request-state',
    'json-schema-ref-no-deref',
    'json-schema-2020-12-preservation',
  ],
};

for (const [revision, scenarios] of Object.entries(SCENARIOS)) {
  for (const scenario of scenarios) {
    test(`the wire passes ${scenario} at ${revision}`, { timeout: SCENARIO_MS }, async () => {
      const which = ['--scenario', scenario, '--spec-version', revision];
      const outcome = await runSuite(['client', '--command', BINARY, ...which]);
      assert.equal(outcome.code, 0, `${outcome.lines.join('\n')}\n${outcome.report}`);
      assert.ok(outcome.checks.some(({ status }) => status === 'SUCCESS'), 'nothing was checked');
    });
  }
}

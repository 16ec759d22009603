// The official conformance suite against the fixture upstream by itself: it is what other tests stand behind the gateway,
// so what is right about it is the suite's verdict.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { runSuite } from './lib/suite.mjs';

const DEFAULT_BINARY = fileURLToPath(new URL('../../target/debug/fixture-upstream', import.meta.url));
const BINARY = path.resolve(process.env.FIXTURE_UPSTREAM_BIN ?? DEFAULT_BINARY);
const SUITE_MS = 120_000;

// Run by the suite but not scored, and right all the same; the extension of tasks is the one that is not offered.
const BEYOND = {
  '2025-11-25': ['json-schema-2020-12', 'server-session-lifecycle', 'server-sse-polling'],
  '2026-07-28': ['http-custom-header-server-validation', 'http-header-validation', 'json-schema-2020-12'],
};

async function start(t) {
  const child = spawn(BINARY, ['http'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(async () => {
    const ended = once(child, 'close');
    child.kill('SIGKILL');
    await ended;
  });
  const [url] = await once(createInterface({ input: child.stdout }), 'line');
  return url;
}

for (const [revision, beyond] of Object.entries(BEYOND)) {
  test(`the fixture upstream meets what ${revision} requires`, { timeout: SUITE_MS }, async (t) => {
    const outcome = await runSuite(['server', '--url', await start(t), '--requirements', revision]);
    assert.equal(outcome.code, 0, outcome.report);
    const unwell = new Set(outcome.lines.flatMap((line) => /^✗ ([\w-]+):/.exec(line)?.[1] ?? []));
    assert.deepEqual([...unwell].filter((scenario) => !scenario.startsWith('tasks-')), [], outcome.report);
    for (const scenario of beyond) assert.ok(outcome.passed.has(scenario), `${scenario}\n${outcome.report}`);
    const required = [...outcome.passed.keys()].filter((scenario) => !unwell.has(scenario));
    t.diagnostic(`conformance, fixture upstream at ${revision}: ${required.length} scenarios passed`);
  });
}

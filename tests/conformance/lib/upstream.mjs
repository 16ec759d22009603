// Owns the process of the fixture upstream, and which of the suite's scenarios a server passes.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { runSuite } from './suite.mjs';

const DEFAULT_BINARY = fileURLToPath(new URL('../../../target/debug/fixture-upstream', import.meta.url));
const BINARY = path.resolve(process.env.FIXTURE_UPSTREAM_BIN ?? DEFAULT_BINARY);

/** Starts it until the test `t` ends: its address. */
export async function startUpstream(t) {
  const child = spawn(BINARY, ['http'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(async () => {
    const ended = once(child, 'close');
    child.kill('SIGKILL');
    await ended;
  });
  const [url] = await once(createInterface({ input: child.stdout }), 'line');
  return url;
}

/** What a revision requires, asked of the server at `url`; the extension of tasks is one that nobody offers here. */
export async function judge(url, revision) {
  const outcome = await runSuite(['server', '--url', url, '--requirements', revision]);
  const failed = new Set(outcome.lines.flatMap((line) => /^✗ ([\w-]+):/.exec(line)?.[1] ?? []));
  const unwell = [...failed].filter((scenario) => !scenario.startsWith('tasks-')).sort();
  const passed = [...outcome.passed.keys()].filter((scenario) => !failed.has(scenario)).sort();
  return { outcome, passed, unwell };
}

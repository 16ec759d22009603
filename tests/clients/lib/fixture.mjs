// Owns the process of the fixture upstream (tests/upstream), whose tools misbehave when they are asked to.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const DEFAULT_BINARY = fileURLToPath(new URL('../../../target/debug/fixture-upstream', import.meta.url));
const BINARY = path.resolve(process.env.FIXTURE_UPSTREAM_BIN ?? DEFAULT_BINARY);

/** Starts it until the test `t` ends: its address, without a path. Each of its paths speaks an era of its own. */
export async function startFixture(t) {
  const child = spawn(BINARY, ['http'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(async () => {
    const ended = once(child, 'close');
    child.kill('SIGKILL');
    await ended;
  });
  const [url] = await once(createInterface({ input: child.stdout }), 'line');
  return new URL(url).origin;
}

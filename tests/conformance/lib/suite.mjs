// Owns the suite's process: runs it, and reads what it printed and wrote. Its own exit code is the verdict.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SUITE = fileURLToPath(new URL('../node_modules/@modelcontextprotocol/conformance/dist/index.js', import.meta.url));
const RESULT = /^[✓✗] ([\w-]+): (\d+) passed, \d+ failed$/;
// Scenarios that the baseline excuses altogether; one with a single excused check has a colon in its line.
const EXCUSED = /^ {2}~ ([\w-]+)$/;

/** Runs the suite to its end; `heard` is called with each line that it prints. */
export async function runSuite(options, heard = () => {}) {
  const results = await mkdtemp(path.join(tmpdir(), 'portcullis-conformance-'));
  try {
    const command = [SUITE, ...options, '--output-dir', results];
    const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'close');
    const lines = [];
    for await (const line of createInterface({ input: child.stdout })) {
      lines.push(line);
      heard(line);
    }
    const [code] = await ended;
    return new Outcome(code, lines, readChecks(results));
  } finally {
    await rm(results, { recursive: true });
  }
}

function readChecks(results) {
  const files = globSync(path.join(results, '**/checks.json'));
  return files.flatMap((file) => JSON.parse(readFileSync(file, 'utf8')));
}

class Outcome {
  constructor(code, lines, checks) {
    Object.assign(this, { code, lines, checks });
  }

  /** Every scenario that ran. */
  get ran() {
    return this.#matching(RESULT).map(([, scenario]) => scenario);
  }

  /** How many checks passed in each scenario that is not excused; none where nothing was checked. */
  get passed() {
    const excused = new Set(this.#matching(EXCUSED).map(([, scenario]) => scenario));
    const counts = this.#matching(RESULT).map(([, scenario, count]) => [scenario, Number(count)]);
    return new Map(counts.filter(([scenario, count]) => count > 0 && !excused.has(scenario)));
  }

  /** The suite's summary and what it found, for the message of a failed test. */
  get report() {
    const summary = this.lines.slice(this.lines.findIndex((line) => line.includes('=== SUMMARY ===')));
    const found = this.checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING');
    const findings = found.map(({ id, errorMessage, details }) => `${id}: ${errorMessage} ${details ? JSON.stringify(details) : ''}`);
    return [...summary, '', 'Every check that failed or warned, the excused ones too:', ...findings].join('\n');
  }

  #matching(pattern) {
    return this.lines.map((line) => pattern.exec(line)).filter((match) => match);
  }
}

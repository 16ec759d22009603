// Owns several real processes that hold the same refresh token and use it in the same moment, as the windows of an editor
// do that wake up together.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const PROCESS = fileURLToPath(new URL('./refresh-once.mjs', import.meta.url));

/** What each of so many processes is answered: status and text. */
export async function refreshTogether(player, token, count) {
  const fields = { grant_type: 'refresh_token', refresh_token: token, client_id: player.client };
  const request = { url: player.metadata.token_endpoint, fields, headers: player.headers };
  const processes = Array.from({ length: count }, () => new Process());
  try {
    await Promise.all(processes.map((process) => process.ready()));
    for (const process of processes) process.say(request);
    return await Promise.all(processes.map((process) => process.hear()));
  } finally {
    for (const process of processes) process.end();
  }
}

class Process {
  #lines = [];
  #waiting = [];

  constructor() {
    this.child = spawn(process.execPath, [PROCESS], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.ended = once(this.child, 'exit');
    let text = '';
    this.child.stdout.setEncoding('utf8').on('data', (chunk) => {
      const lines = (text + chunk).split('\n');
      text = lines.pop();
      for (const line of lines) (this.#waiting.shift() ?? ((late) => this.#lines.push(late)))(line);
    });
  }

  #line() {
    if (this.#lines.length > 0) return this.#lines.shift();
    const ended = this.ended.then(([code]) => Promise.reject(new Error(`a process ended with ${code}`)));
    return Promise.race([new Promise((resolve) => this.#waiting.push(resolve)), ended]);
  }

  ready() {
    return this.#line();
  }

  say(request) {
    this.child.stdin.write(`${JSON.stringify(request)}\n`);
  }

  async hear() {
    return JSON.parse(await this.#line());
  }

  end() {
    this.child.stdin.end();
  }
}

// Owns the life of one real portcullis process: a temporary data directory, a free port, start, stop, and a log at its
// most talkative that must hold no secret.
// Knows nothing of browsers or MCP.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { keep, leaks } from './canaries.mjs';

const DEFAULT_BINARY = fileURLToPath(new URL('../../../target/debug/portcullis', import.meta.url));
const BINARY = path.resolve(process.env.PORTCULLIS_BIN ?? DEFAULT_BINARY);
const START_MS = 30_000;
const STOP_MS = 5_000;
/** A server hears of another process's change within this. */
export const HEARD_MS = 1_000;

/** A port that was free on 127.0.0.1 a moment ago. */
export async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  listener.close();
  await once(listener, 'close');
  return port;
}

/** The environment of the tests, without the settings of a portcullis that the developer may run. */
function cleanEnvironment() {
  const foreign = ([name]) => !name.startsWith('PORTCULLIS_') && name !== 'DATABASE_URL';
  return Object.fromEntries(Object.entries(process.env).filter(foreign));
}

// An interrupted run leaves no process behind: a signal becomes an exit, and an exit ends the children.
const running = new Set();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export class Server {
  #child;
  #ended;
  #log = '';
  #printed = '';

  /**
   * `database`: what `engine.fresh()` gave. `settings`: configuration keys, for example `{ access_token_seconds: 2 }`.
   * `publicUrl`: the origin that clients know, if it is not where the server listens.
   */
  static async start({ database, settings = {}, publicUrl }) {
    const server = new Server();
    server.database = database;
    server.settings = settings;
    server.directory = await mkdtemp(path.join(tmpdir(), 'portcullis-client-'));
    server.port = await freePort();
    server.address = `http://localhost:${server.port}`;
    server.origin = publicUrl ?? server.address;
    await server.launch();
    return server;
  }

  /** Starts the process on the same data, address and database; again after `stop()`. */
  async launch() {
    const serve = ['serve', '--demo', '--listen', `127.0.0.1:${this.port}`, '--public-url', this.origin];
    this.#child = this.#spawn(serve, 'ignore');
    const child = this.#child;
    running.add(child);
    this.#ended = new Promise((resolve) => {
      child.once('error', (error) => resolve({ error }));
      child.once('exit', (code, signal) => resolve({ code, signal }));
    }).finally(() => running.delete(child));
    // What it prints is for the person who started it, and tells the demo's password; what it logs is kept by machines.
    this.#child.stdout.setEncoding('utf8').on('data', (text) => (this.#printed += text));
    this.#child.stderr.setEncoding('utf8').on('data', (text) => (this.#log += text));
    try {
      this.demo = await this.#untilReady();
      keep(this.demo.password);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Runs a command of the program on the same data, as an admin does: what it printed. `input`: what it reads. */
  async run(command, input = '') {
    const child = this.#spawn(command, 'pipe');
    let printed = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (printed += text));
    child.stdin.end(input);
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`portcullis ${command.join(' ')} ended with ${code}: ${printed}`);
    return printed;
  }

  #spawn(command, stdin) {
    const settings = Object.entries({ log: 'trace', ...this.settings }).map(([key, value]) => [`PORTCULLIS_${key.toUpperCase()}`, `${value}`]);
    const database = this.database.url ? ['--database-url', this.database.url] : [];
    return spawn(BINARY, ['--data-dir', this.directory, ...database, ...command], {
      cwd: this.directory,
      env: { ...cleanEnvironment(), ...Object.fromEntries(settings) },
      stdio: [stdin, 'pipe', 'pipe'],
    });
  }

  async #untilReady() {
    let ended;
    this.#ended.then((how) => (ended = how));
    const deadline = Date.now() + START_MS;
    while (Date.now() < deadline) {
      if (ended) throw new Error(`portcullis ended while starting: ${JSON.stringify(ended)} ${ended.error ?? ''}\n${this.#log}`);
      const demo = await readFile(path.join(this.directory, 'demo.json'), 'utf8').then(JSON.parse).catch(() => undefined);
      if (demo && (await this.#answers())) return demo;
      await pause(50);
    }
    throw new Error(`portcullis was not ready after ${START_MS} ms\n${this.#log}`);
  }

  async #answers() {
    return fetch(this.reach(`${this.origin}/.well-known/oauth-authorization-server`)).then(
      (response) => response.ok,
      () => false,
    );
  }

  /** The authorization server's metadata, as clients see it. */
  async metadata() {
    return (await fetch(this.reach(`${this.origin}/.well-known/oauth-authorization-server`))).json();
  }

  /** Where a request to this URL arrives. */
  reach(url) {
    const { href, origin } = new URL(url);
    return origin === this.origin ? this.address + href.slice(origin.length) : href;
  }

  /** RFC 7009, as a public client does it. */
  async revoke(token, clientId) {
    const { revocation_endpoint: endpoint } = await this.metadata();
    return fetch(endpoint, { method: 'POST', body: new URLSearchParams({ token, client_id: clientId }) });
  }

  /** Sends a signal and says how and how fast the process ended; kills it, and says so, when it does not. */
  async stop(signal = 'SIGTERM') {
    const begun = Date.now();
    this.#child.kill(signal);
    const late = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS + 1_000);
    const how = await this.#ended;
    clearTimeout(late);
    return { ...how, milliseconds: Date.now() - begun };
  }

  /** What the process printed and logged, for the message of a failed test. */
  get log() {
    return this.#printed + this.#log;
  }

  /** Ends the process, whatever state it is in, removes everything it left, and looks for secrets in its log. */
  async close() {
    await this.stop('SIGKILL');
    await rm(this.directory, { recursive: true, force: true });
    await this.database.drop();
    const found = leaks(this.#log);
    if (found.length > 0) throw new Error(`secrets stand in the log:\n${found.join('\n')}`);
    if (this.demo && !/ (?:DEBUG|TRACE) /.test(this.#log)) throw new Error('the server did not log what it was asked to');
  }
}

// Owns the reference servers of the protocol (npm, exact versions in package-lock.json): how an admin offers them, what the
// person fills in for them, and the process of the one that is reached over HTTP.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { freePort } from './server.mjs';

const PACKAGES = fileURLToPath(new URL('../node_modules/@modelcontextprotocol/', import.meta.url));
const program = (name) => path.join(PACKAGES, name, 'dist/index.js');

/** What a child may see of the world beside the `PATH` that every child has. */
export const CHILD_ENVIRONMENT = { STORY: 'told' };

export class ReferenceServers {
  #child;

  /** Starts `server-everything` over HTTP and makes the folder in which `server-filesystem` works. */
  static async open() {
    const servers = new ReferenceServers();
    servers.directory = await mkdtemp(path.join(tmpdir(), 'portcullis-reference-'));
    servers.folder = path.join(servers.directory, 'folder');
    servers.memory = path.join(servers.directory, 'memory.jsonl');
    await mkdir(servers.folder);
    servers.url = await servers.#listen();
    return servers;
  }

  async #listen() {
    const port = await freePort();
    const environment = { PATH: process.env.PATH, PORT: `${port}` };
    const stdio = ['ignore', 'ignore', 'pipe'];
    this.#child = spawn(process.execPath, [program('server-everything'), 'streamableHttp'], { env: environment, stdio });
    for await (const line of createInterface({ input: this.#child.stderr })) {
      if (line.includes(`listening on port ${port}`)) break;
    }
    this.#child.stderr.resume();
    return `http://127.0.0.1:${port}/mcp`;
  }

  /** Puts all of them into the catalogue of `server`, and connects the demo user to each. */
  async offer(server) {
    const file = path.join(server.directory, 'servers.toml');
    await writeFile(file, this.#catalogue());
    await server.run(['server', 'import', file]);
    const filled = {
      every: [],
      web: [],
      files: ['--set', `folder=${this.folder}`],
      memory: ['--set', `file=${this.memory}`],
    };
    for (const [slug, answers] of Object.entries(filled)) {
      await server.run(['connection', 'add', '--user', server.demo.email, '--server', slug, '--alias', slug, ...answers]);
    }
  }

  #catalogue() {
    const child = (slug, name, rest) => `
[[server]]
slug = "${slug}"
command = ${JSON.stringify(process.execPath)}
new_tools = "allow"
${rest(JSON.stringify(program(name)))}`;
    return [
      // Over HTTP it asks for folders outside of calls, where nobody is asked.
      `[[server]]\nslug = "web"\nurl = "${this.url}"\nauth = ["none"]\nnew_tools = "allow"\nrelays = ["sampling"]\n`,
      child('every', 'server-everything', (script) => `arguments = [${script}]
environment = { STORY = "${CHILD_ENVIRONMENT.STORY}" }
relays = ["sampling", "roots"]
`),
      child('files', 'server-filesystem', (script) => `arguments = [${script}, "{folder}"]
[[server.parameter]]
name = "folder"
about = "The folder to work in."
`),
      child('memory', 'server-memory', (script) => `arguments = [${script}]
[[server.parameter]]
name = "file"
about = "Where it remembers."
environment = "MEMORY_FILE_PATH"
secret = false
`),
    ].join('\n');
  }

  /** Puts this into the memory of `server-memory`. */
  async remember(entities, relations) {
    const typed = (type) => (one) => JSON.stringify({ type, ...one });
    await writeFile(this.memory, [...entities.map(typed('entity')), ...relations.map(typed('relation'))].join('\n'));
  }

  async close() {
    const ended = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await ended;
    await rm(this.directory, { recursive: true, force: true });
  }
}

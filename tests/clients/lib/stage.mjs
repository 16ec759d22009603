// Owns the telling: each story gets a server, a person and applications of its own, on every engine
// and with every SDK, and everything is cleared away afterwards, also when the story fails.

import { after, before, test } from 'node:test';
import { Application } from './application.mjs';
import { launchBrowser, Person } from './browser.mjs';
import { engines } from './engines.mjs';
import { kinds } from './kinds.mjs';
import { Server } from './server.mjs';

const STORY_MS = 90_000;
let browser;

/** Opens one browser for all stories of a file; what is given tells which. */
export function withBrowser() {
  before(async () => (browser = await launchBrowser()));
  after(() => browser?.close());
  return () => browser;
}

class Stage {
  #cleanups = [];

  async clear() {
    const failures = [];
    for (const clean of this.#cleanups.reverse()) await clean().catch((error) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }

  async serve(engine, settings, publicUrl) {
    this.server = await Server.start({ database: await engine.fresh(), settings, publicUrl });
    this.#cleanups.push(() => this.server.close());
  }

  async sitDown(options) {
    this.person = await Person.sitDown(browser, this.server.demo, options);
    this.#cleanups.push(() => this.person.standUp());
  }

  async install(kind, options) {
    const application = await Application.install(kind, this.server, this.person, options);
    this.#cleanups.push(() => application.uninstall());
    return application;
  }
}

/** Sets the stage, tells a story on it, and clears it away. `asked`, `able`, `own`: who answers questions of servers, and how. */
export async function play({ engine, settings, publicUrl, person, kind, asked, able, own }, body) {
  const stage = new Stage();
  try {
    await stage.serve(engine, settings, publicUrl);
    if (person) await stage.sitDown(person);
    const application = kind ? await stage.install(kind, { asked, able, own }) : undefined;
    await body({ stage, application, server: stage.server, person: stage.person });
  } catch (error) {
    if (stage.server) error.message += `\n--- the server's log ---\n${stage.server.log}`;
    throw error;
  } finally {
    await stage.clear();
  }
}

/** A story that needs a server only. `settings`: its configuration. */
export function serverStory(title, body, settings) {
  for (const engine of engines) {
    test(`${title} (${engine.name})`, { timeout: STORY_MS }, () => play({ engine, settings }, body));
  }
}

/**
 * A story of a person and an application. `settings`: configuration of the server; `scripts`: JavaScript in the
 * browser; `told`: which kinds of application it is about.
 */
export function story(title, { settings, scripts = true, told = () => true }, body) {
  for (const engine of engines) {
    for (const kind of kinds.filter(told)) {
      const cast = { engine, settings, person: { scripts }, kind };
      test(`${title} (${kind.name}, ${engine.name})`, { timeout: STORY_MS }, () => play(cast, body));
    }
  }
}

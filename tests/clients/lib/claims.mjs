// Owns the claims of the recorded profiles: each is played on every engine, and what came of it is kept for the table in
// docs/clients.md.
//
// A profile is data, as lib/player.mjs reads it, and `claims`: sentences about that client, each with the scene that
// proves it. A claim may `need` something that the server does not offer (yet): then it waits, and the table says so.

import { test } from 'node:test';
import { engines } from './engines.mjs';
import { Person } from './browser.mjs';
import { Player } from './player.mjs';
import { play } from './stage.mjs';
import { Visitor } from './visitor.mjs';

const CLIENT_MS = 120_000;

/** What came of every claim: `played`, `failed`, or what it waits for; by profile, claim and engine. */
export const outcomes = new Map();

/** Where a claim is played: a server, the person who signs in there, and as many installations of the client as it takes. */
class Scene {
  constructor(profile, server, browser) {
    Object.assign(this, { profile, server, browser });
    this.visitor = new Visitor(server, undefined, profile.personHeaders);
  }

  /** A fresh installation of the client; `changes` to its profile. */
  player(changes = {}, visitor = this.visitor) {
    return new Player({ ...this.profile, ...changes }, this.server, visitor);
  }

  /** Lets a person use a browser, and closes it afterwards. */
  async withPerson(body) {
    const person = await Person.sitDown(this.browser(), this.server.demo);
    try {
      return await body(person);
    } finally {
      await person.standUp();
    }
  }
}

/** Plays every claim of a profile on every engine. */
export function tell(profile, browser) {
  for (const engine of engines) {
    test(`${profile.client} (${engine.name})`, { timeout: CLIENT_MS }, (told) =>
      play({ engine, settings: profile.settings, publicUrl: profile.publicUrl }, async ({ server }) => {
        const scene = new Scene(profile, server, browser);
        scene.metadata = await server.metadata();
        for (const claim of profile.claims) await tellOne(told, scene, claim, engine);
      }),
    );
  }
}

async function tellOne(told, scene, claim, engine) {
  const waits = claim.waits?.(scene.metadata);
  const outcome = (result) => outcomes.set([scene.profile.client, claim.says, engine.name].join('\n'), result);
  outcome(waits ?? 'failed');
  await told.test(claim.says, { skip: waits }, async () => {
    await claim.play(scene);
    outcome('played');
  });
}

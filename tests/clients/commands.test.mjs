// What an admin's command ends in another process, a running server refuses within a second.

import assert from 'node:assert/strict';
import { Requester } from './lib/requester.mjs';
import { serverStory } from './lib/stage.mjs';
import { Visitor } from './lib/visitor.mjs';

const SECOND_MS = 1_000;
// Looking on without a pause asks for more lists than one user may have in a minute.
const ROOM = { user_lists_per_minute: 100_000 };

/** A token that the server holds in its cache, since it was used a moment ago. */
async function connected(client) {
  const { access } = await client.connect();
  assert.equal(await client.listTools(access), 200);
  return access;
}

/** Runs the command, and looks on until the token is refused: no request that began a second later is answered. */
async function ends(client, access, command, input) {
  await client.server.run(command, input);
  const ended = Date.now();
  let began;
  do {
    began = Date.now();
  } while ((await client.listTools(access)) === 200 && began - ended < 10 * SECOND_MS);
  assert.equal(await client.listTools(access), 401);
  assert.ok(began - ended <= SECOND_MS, `${command.join(' ')} took ${began - ended} ms to be heard of`);
}

serverStory('what a command ends is refused by a running server within a second', async ({ server }) => {
  const client = await Requester.register(server, new Visitor(server));
  const token = await connected(client);
  await ends(client, token, ['token', 'revoke', '--token-stdin', '--yes'], token);
  await ends(client, await connected(client), ['token', 'revoke', '--client', client.id, '--yes']);
  await ends(client, await connected(client), ['client', 'disable', client.id, '--yes']);
  await server.run(['client', 'enable', client.id]);
  await ends(client, await connected(client), ['client', 'remove', client.id, '--yes']);

  const another = await Requester.register(server, new Visitor(server));
  await ends(another, await connected(another), ['user', 'disable', server.demo.email, '--yes']);
}, ROOM);

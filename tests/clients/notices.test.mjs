// People are told elsewhere that a call waits for them, and never what it says: by a webhook in Slack's form, and by mail.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { engines } from './lib/engines.mjs';
import { Hook, PostOffice } from './lib/post.mjs';
import { Requester } from './lib/requester.mjs';
import { speaking, text } from './lib/sensitive.mjs';
import { HEARD_MS, freePort } from './lib/server.mjs';
import { play } from './lib/stage.mjs';
import { Visitor } from './lib/visitor.mjs';

const STORY_MS = 60_000;
const NOTE = { title: 'Private words', text: 'canary-of-the-arguments' };

const SECOND_PERSON = `
  @id("owners") @reason("Yours.") permit (principal, action, resource) when { principal.id == resource.owner };
  @id("two") @reason("Two pairs of eyes.") forbid (principal, action == Action::"callTool", resource)
  when { resource.risk != Risk::"read" && context.assurance < 3 };`;

/** Calls, and gives the code and the page that a notice of that must name. */
async function wait(speaker, number) {
  const { result } = await speaker.ask('tools/call', {
    name: 'sandbox__create_note',
    arguments: { ...NOTE, title: `${NOTE.title} ${number}` },
  });
  const [, code] = /\(code ([A-Z]{4})\)/.exec(text(result));
  return { code, page: `/approvals/${result._meta['portcullis/approval'].id}` };
}

function tells(letter, { code, page }) {
  for (const word of ['sandbox', 'create_note', code, page]) assert.ok(letter.includes(word), `${word} in ${letter}`);
  assert.doesNotMatch(letter, /private words|canary/i);
}

for (const engine of engines) {
  test(`a webhook and mail tell that a call waits, and not what it says (${engine.name})`, { timeout: STORY_MS }, async (told) => {
    const [hook, office, port] = [await Hook.open(), await PostOffice.open(), await freePort()];
    told.after(() => [hook, office].forEach((one) => one.close()));
    const settings = {
      approvals_webhook: hook.url,
      smtp_url: office.url,
      smtp_from: 'Portcullis <gate@example.com>',
      ops_listen: `127.0.0.1:${port}`,
    };
    await play({ engine, settings }, async ({ server }) => {
      const requester = await Requester.register(server, new Visitor(server));
      const speaker = await speaking(requester);
      const first = await wait(speaker, 1);
      tells(JSON.parse(await hook.take()).text, first);
      const mail = await office.take();
      assert.equal(mail.to, server.demo.email);
      tells(mail.text, first);

      // Where somebody else has to approve, they are told, and the caller is not.
      await server.run(['user', 'add', '--email', 'bob@example.com', '--password-stdin'], 'seven green lorries parked');
      await server.run(['user', 'permissions', 'bob@example.com', '--add', 'approver']);
      const file = path.join(server.directory, 'two.cedar');
      await writeFile(file, SECOND_PERSON);
      await server.run(['policy', 'activate', file]);
      await pause(HEARD_MS);
      const second = await wait(speaker, 2);
      tells(JSON.parse(await hook.take()).text, second);
      const theirs = await office.take();
      assert.equal(theirs.to, 'bob@example.com');
      tells(theirs.text, second);

      // What is not taken is counted and in the log, and holds nothing up.
      office.refuse = true;
      await wait(speaker, 3);
      await hook.take();
      const counted = /^portcullis_approval_notices_total\{way="mail",outcome="failed"\} 1$/m;
      const metrics = async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      for (const until = Date.now() + STORY_MS / 4; !counted.test(await metrics()) && Date.now() < until; ) await pause(50);
      assert.match(await metrics(), counted);
      assert.match(server.log, /could not be delivered way="mail" cause="the mail server answered 451"/);
      assert.ok(!server.log.includes(hook.url));
    });
  });
}

// A person decides the sensitive call of a real client: on the page that is open already, without a reload, exactly that call
// and once.

import assert from 'node:assert/strict';
import { story, withBrowser } from './lib/stage.mjs';

withBrowser();

const NOTE = { title: 'From an agent', text: 'Buy milk' };

function text(result) {
  return result.content.map((block) => block.text).join('\n');
}

const create = (application) => application.call('sandbox__create_note', NOTE);

story('is asked on the open page, approves, and the call is made once', {}, async ({ application, person }) => {
  await application.signIn();
  await person.watchApprovals();

  const waits = await create(application);
  assert.ok(waits.isError);
  assert.match(text(waits), /NOT EXECUTED/);
  const card = await person.approvalThatCameIn();
  assert.match(card, /create_note/);
  assert.match(card, /Story Teller/);
  assert.match(card, /Buy milk/);
  const [, code] = text(waits).match(/code ([A-Z0-9]+)/);
  assert.ok(card.includes(code), 'the page and the client show the same code');

  await person.decideApproval('approve');
  const done = await create(application);
  assert.ok(!done.isError, text(done));
  const again = await create(application);
  assert.ok(again.isError, 'what was approved was one call');
});

story('denies without a script, and the client is told so', { scripts: false }, async ({ application, person }) => {
  await application.signIn();
  await create(application);
  await person.watchApprovals();
  assert.match(await person.approvalThatCameIn(), /create_note/);

  await person.decideApproval('deny');
  const refused = await create(application);
  assert.ok(refused.isError);
  assert.match(text(refused), /denied/i);
});

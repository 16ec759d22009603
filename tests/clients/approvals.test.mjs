// A person decides the sensitive call of a real client: on the page that is open already, without a reload, exactly that call
// and once.

import assert from 'node:assert/strict';
import { codeIn, create, text } from './lib/sensitive.mjs';
import { story, withBrowser } from './lib/stage.mjs';

withBrowser();

const NOTE = 'From an agent';

story('is asked on the open page, approves, and the call is made once', {}, async ({ application, person }) => {
  await application.signIn();
  await person.watchApprovals();

  const waits = await create(application, NOTE);
  assert.ok(waits.isError);
  assert.match(text(waits), /NOT EXECUTED/);
  const card = await person.approvalThatCameIn();
  assert.match(card, /create_note/);
  assert.match(card, /Story Teller/);
  assert.match(card, /Buy milk/);
  assert.ok(card.includes(codeIn(text(waits))), 'the page and the client show the same code');

  await person.decideApproval('approve');
  const done = await create(application, NOTE);
  assert.ok(!done.isError, text(done));
  const again = await create(application, NOTE);
  assert.ok(again.isError, 'what was approved was one call');
});

story('denies without a script, and the client is told so', { scripts: false }, async ({ application, person }) => {
  await application.signIn();
  await create(application, NOTE);
  await person.watchApprovals();
  assert.match(await person.approvalThatCameIn(), /create_note/);

  await person.decideApproval('deny');
  const refused = await create(application, NOTE);
  assert.ok(refused.isError);
  assert.match(text(refused), /denied/i);
});

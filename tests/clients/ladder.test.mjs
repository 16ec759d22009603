// Each way in which a client learns that its call waits for a person, with the real SDK of each revision, and what comes of
// each decision: the approved call is made once, the denied one never.
//
// What SDKs cannot do is not told here. 1.x knows no way of its own to offer an older revision than its newest, so that
// 2025-06-18 is told with 1.23, the last for which that was the newest; it knows no addresses. No SDK calls again by itself
// after error -32042: its application does. That a call expires takes five minutes and is told in Rust
// (crates/resource-server/tests/gateway/approvals.rs), with a clock that is advanced.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { engines } from './lib/engines.mjs';
import { generations } from './lib/kinds.mjs';
import { codeIn, create, ROOM, states, text } from './lib/sensitive.mjs';
import { HEARD_MS } from './lib/server.mjs';
import { play, withBrowser } from './lib/stage.mjs';

withBrowser();

const STORY_MS = 90_000;
// Longer than one leg of a call is held.
const LEG_MS = 35_000;
const DENIED = /^NOT EXECUTED\. The user denied this call\./;
const CLOSED = /^NOT EXECUTED\. The user closed the question/;
const [URLS, FORMS, NOTHING] = [{ url: {} }, { form: {} }, undefined];

const CLIENT_IS_ENOUGH = `
  @id("owners") @reason("Yours.") permit (principal, action, resource) when { principal.id == resource.owner };
  @id("ask") @reason("Ask first.") forbid (principal, action == Action::"callTool", resource)
  when { resource.name == "echo" && context.assurance < 1 };`;

/** Calls, and gives what came of it and the questions that the client was asked meanwhile. */
async function called(desk, title, answer, call = create) {
  const [questions, { sent }] = [[], desk.application];
  desk.answer = async (params) => {
    questions.push(params);
    return answer(params);
  };
  const begun = sent.length;
  const result = await call(desk.application, title);
  const calls = sent.slice(begun).filter((method) => method === 'tools/call').length;
  return { result, questions, calls };
}

/** The client's answer, whatever it says, while the person decides on the page: the call is held. */
function accepting(desk, decision, open) {
  return async (params) => {
    await open(params);
    desk.deciding = desk.person.decideApproval(decision);
    return { action: 'accept', content: {} };
  };
}

/** The rungs on which a client is asked, and the same call goes on after the decision. */
async function goesOn(desk, open, shape) {
  const approved = await called(desk, 'one', accepting(desk, 'approve', open));
  await desk.deciding;
  assert.match(text(approved.result), /^Created /);
  assert.deepEqual({ calls: approved.calls, questions: approved.questions.length }, shape);

  const denied = await called(desk, 'two', accepting(desk, 'deny', open));
  await desk.deciding;
  assert.match(text(denied.result), DENIED);
  // ELIC-7
  const declined = await called(desk, 'three', () => ({ action: 'decline' }));
  assert.match(text(declined.result), DENIED);
  const closed = await called(desk, 'four', () => ({ action: 'cancel' }));
  assert.match(text(closed.result), CLOSED);
  return ['executed_ok', 'denied', 'declined', 'pending'];
}

/** The rungs on which the client calls again. `told`: what it is told of the call that waits. */
async function callsAgain({ application, person }, told) {
  for (const [title, decision, outcome] of [['one', 'approve', /^Created /], ['two', 'deny', DENIED]]) {
    const done = await told(title);
    await person.decideApproval(decision);
    await done?.();
    assert.match(text(await create(application, title)), outcome);
  }
  return ['executed_ok', 'denied'];
}

/** ELIC-3: an address that is a name and nothing more. */
function opensAddress({ person, server }) {
  return async ({ mode, url, message }) => {
    assert.equal(mode, 'url');
    assert.match(url, new RegExp(`^${server.origin}/approvals/apr_[\\w-]+$`));
    await person.openApproval(url);
    assert.ok((await person.approvalThatCameIn()).includes(codeIn(message)));
  };
}

/** The newest call on the page is the one with this code. */
async function findsCode({ person }, told) {
  await person.watchApprovals();
  assert.ok((await person.approvalThatCameIn()).includes(codeIn(told)), told);
}

/** ELIC-2: a code and no link. */
function comparesCode(desk) {
  return ({ mode = 'form', message, requestedSchema }) => {
    assert.equal(mode, 'form');
    assert.deepEqual(requestedSchema.properties, {});
    assert.doesNotMatch(message, /https?:/);
    return findsCode(desk, message);
  };
}

const ONE_LEG = { calls: 2, questions: 1 };
const HELD = { calls: 1, questions: 1 };

/** What can happen, each with the states in which it leaves its calls. */
const rungs = {
  'opens the address in the answer, and waits': (desk) => goesOn(desk, opensAddress(desk), ONE_LEG),

  'shows the form in the answer, and waits': (desk) => goesOn(desk, comparesCode(desk), ONE_LEG),

  'shows a form in the middle of the call': (desk) => goesOn(desk, comparesCode(desk), HELD),

  // ELIC-8
  'is told an address by error -32042, and when it is done there': (desk) =>
    callsAgain(desk, async (title) => {
      const error = await create(desk.application, title).catch((refused) => refused);
      assert.equal(error.code, -32042);
      const [elicitation] = error.elicitations;
      const completed = desk.application.endpoint.completed();
      await opensAddress(desk)(elicitation);
      return async () => assert.equal(await completed, elicitation.elicitationId);
    }),

  'reads what to do, and calls again': (desk) =>
    callsAgain(desk, async (title) => {
      const told = text(await create(desk.application, title));
      assert.match(told, /^NOT EXECUTED\. This call needs the user's approval\./);
      await findsCode(desk, told);
    }),

  async 'decides by its own form where the policy is content with that'(desk) {
    const file = path.join(desk.server.directory, 'client.cedar');
    await writeFile(file, CLIENT_IS_ENOUGH);
    await desk.server.run(['policy', 'activate', file]);
    await pause(HEARD_MS);
    const saying = (decision) => ({ requestedSchema }) => {
      assert.deepEqual(requestedSchema.properties.decision.enum, ['approve', 'deny']);
      return { action: 'accept', content: { decision } };
    };
    const echo = (application, message) => application.call('sandbox__echo', { message });
    const approved = await called(desk, 'five', saying('approve'), echo);
    assert.equal(text(approved.result), 'five');
    const denied = await called(desk, 'six', saying('deny'), echo);
    assert.match(text(denied.result), DENIED);
    return ['executed_ok', 'declined'];
  },

  // MRTR-2, MRTR-7: the SDK carries a state without a question, and nobody is asked again.
  async 'opens the address in the answer, and waits longer than one leg'(desk) {
    const { result, questions, calls } = await called(desk, 'one', async (params) => {
      await opensAddress(desk)(params);
      desk.deciding = pause(LEG_MS).then(() => desk.person.decideApproval('approve'));
      return { action: 'accept' };
    });
    await desk.deciding;
    assert.match(text(result), /^Created /);
    assert.deepEqual({ calls, questions: questions.length }, { calls: 3, questions: 1 });
    return ['executed_ok'];
  },
};

const { stateless, sessions, earlier } = generations;
const DECIDES = 'decides by its own form where the policy is content with that';
const LONG = [stateless, [[URLS, 'opens the address in the answer, and waits longer than one leg']]];
const ROWS = [
  [
    stateless,
    [
      [NOTHING, 'reads what to do, and calls again'],
      [URLS, 'opens the address in the answer, and waits'],
      [FORMS, 'shows the form in the answer, and waits', DECIDES],
    ],
  ],
  [
    sessions,
    [
      [NOTHING, 'reads what to do, and calls again'],
      [URLS, 'is told an address by error -32042, and when it is done there'],
      [FORMS, 'shows a form in the middle of the call', DECIDES],
    ],
  ],
  [
    earlier,
    [
      [NOTHING, 'reads what to do, and calls again'],
      [FORMS, 'shows a form in the middle of the call', DECIDES],
    ],
  ],
];

/** One application after the other at one server: the states of all calls, the oldest first. */
async function climb(told, stage, [kind, clients]) {
  const left = [];
  for (const [able, ...climbed] of clients) {
    const desk = { server: stage.server, person: stage.person };
    const asked = ({ params }) => desk.answer(params);
    desk.application = await stage.stage.install(kind, able && { asked, able });
    await desk.application.signIn();
    assert.equal(desk.application.endpoint.revision(), kind.revision);
    for (const rung of climbed) await told.test(rung, async () => left.push(...(await rungs[rung](desk))));
  }
  assert.deepEqual(await states(stage.server), left);
}

function tell(row, engine) {
  test(`with ${row[0].name} (${engine.name})`, { timeout: STORY_MS }, (told) =>
    play({ engine, settings: ROOM, person: {} }, (stage) => climb(told, stage, row)),
  );
}

// Side by side, since the first waits most of its time; an engine is nothing to it.
describe('a client whose call waits for a person', { concurrency: 4 }, () => {
  tell(LONG, engines[0]);
  for (const row of ROWS) for (const engine of engines) tell(row, engine);
});

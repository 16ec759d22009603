// kill -9 while an approved call is made: what became of it is told truthfully, and it is never made again by itself.
//
// When the server dies is no matter of time. Before the call goes out: its upstream lets nobody in, so that what is
// approved is used up and nothing can be sent. After that: the call has reached the upstream, which does not answer.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { Requester } from './lib/requester.mjs';
import { speaking, states, text } from './lib/sensitive.mjs';
import { serverStory } from './lib/stage.mjs';
import { StallingUpstream, TOOL } from './lib/stalling.mjs';
import { Visitor } from './lib/visitor.mjs';

const PATIENCE_MS = 20_000;

/** Waits until the one approval of a story stands so. */
async function stands(server, wanted) {
  const until = Date.now() + PATIENCE_MS;
  let found;
  do [found] = await states(server);
  while (found !== wanted && Date.now() < until && (await pause(50, true)));
  assert.equal(found, wanted);
}

/** A call that its user has approved, and that is made with the leg which `begin` sends: not awaited. */
async function approved(server, upstream) {
  const visitor = new Visitor(server);
  const requester = await Requester.register(server, visitor);
  const speaker = await speaking(requester, await upstream.offer(server), { elicitation: { url: {} } });
  assert.deepEqual((await speaker.list()).map(({ name }) => name), [TOOL]);
  const call = { name: TOOL, arguments: { what: 'everything' } };
  const { result } = await speaker.ask('tools/call', call);
  const [id] = /apr_[\w-]+/.exec(result.inputRequests.approval.params.url);
  await visitor.decideApproval(id, 'approve');
  const leg = { ...call, requestState: result.requestState, inputResponses: { approval: { action: 'accept' } } };
  return { begin: () => speaker.request('tools/call', leg), again: () => speaker.ask('tools/call', leg) };
}

/** The server was killed and lives again: nobody knows, and nothing is repeated. */
async function toldTruthfully(server, { again }, upstream, calls) {
  await server.stop('SIGKILL');
  upstream.goOn();
  await server.launch();
  await stands(server, 'outcome_unknown');
  for (let retry = 0; retry < 2; retry += 1) {
    const { result } = await again();
    assert.ok(result.isError);
    assert.match(text(result), /was cut off\. Nobody knows whether it happened/);
  }
  assert.equal(upstream.calls, calls);
}

async function withUpstream(body) {
  const upstream = await StallingUpstream.open();
  try {
    await body(upstream);
  } finally {
    upstream.close();
  }
}

serverStory('a kill -9 before an approved call goes out', ({ server }) =>
  withUpstream(async (upstream) => {
    const call = await approved(server, upstream);
    await upstream.stop();
    const cut = call.begin();
    await stands(server, 'consumed');
    await toldTruthfully(server, call, upstream, 0);
    assert.equal((await cut).status, 0);
  }),
);

serverStory('a kill -9 after an approved call went out', ({ server }) =>
  withUpstream(async (upstream) => {
    const call = await approved(server, upstream);
    const [cut] = [call.begin(), await upstream.called()];
    await toldTruthfully(server, call, upstream, 1);
    assert.equal((await cut).status, 0);
  }),
);

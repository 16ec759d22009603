// kill -9 in the middle of it: what was acknowledged is kept, and nothing is given twice.
//
// When the server dies is counted in answers, those to the story's own requests or those to a bystander,
// never in time. Whether a request that got no answer was committed differs from run to run; both are right.

import assert from 'node:assert/strict';
import { Bystander } from './lib/bystander.mjs';
import { Requester, tokens } from './lib/requester.mjs';
import { serverStory } from './lib/stage.mjs';
import { Visitor } from './lib/visitor.mjs';

const AT_ONCE = 32;
const answers = (count) => ({ answers: count });
const bystanders = (count) => ({ bystanders: count });

const REFRESH_MOMENTS = [...[1, 80].map(bystanders), ...[1, 2, 5, 9, 17, 33, 64].map(answers)];
// A redemption takes as long as 20 light questions on one engine and as long as 60 on the other.
const REDEMPTION_MOMENTS = [...[1, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 72, 80, 96].map(bystanders), answers(1)];

/** Does `work` and kills the server when so many answers have arrived; then starts it on the same data. */
async function killedAt(server, moment, work) {
  const bystander = await Bystander.arrive(server);
  const [result] = await Promise.all([
    work(fuse(server, moment.answers)),
    bystander.ask(fuse(server, moment.bystanders)),
  ]);
  await revive(server);
  return result;
}

/** Passes answers on, and kills the server at the given one; without a number it never does. */
function fuse(server, count = Infinity) {
  let left = count;
  return (answer) => {
    left -= 1;
    if (left === 0) server.stop('SIGKILL');
    return answer;
  };
}

async function revive(server) {
  await server.stop('SIGKILL');
  await server.launch();
}

async function settle(server) {
  const visitor = new Visitor(server);
  return { visitor, client: await Requester.register(server, visitor) };
}

/** Refreshes one token many times at once: the pairs that were acknowledged. */
async function refreshTogether(client, { refresh }, heard) {
  const answered = await Promise.all(Array.from({ length: AT_ONCE }, () => client.refresh(refresh).then(heard)));
  // Neither silence nor a store that is out of reach for the moment acknowledges anything.
  return answered.filter(({ status }) => status !== 0 && status !== 503).map(tokens);
}

/** Refreshes one generation after the other until the server dies: all pairs that were acknowledged. */
async function refreshInTurn(client, first, heard) {
  const chain = [first];
  for (;;) {
    const answer = heard(await client.refresh(chain.at(-1).refresh));
    if (answer.status === 0) return chain;
    chain.push(tokens(answer));
  }
}

/** What a token gives when it is presented again, and once more: every time the same. */
async function presentAgain(client, { refresh }) {
  const again = tokens(await client.refresh(refresh));
  assert.deepEqual(tokens(await client.refresh(refresh)), again);
  assert.equal(await client.listTools(again.access), 200);
  return again;
}

/** Each generation still gives the acknowledged next one; the last gives what may have been cut off. */
async function presentChainAgain(client, chain) {
  assert.equal(await client.listTools(chain[0].access), 200);
  for (const [index, pair] of chain.entries()) {
    const again = await presentAgain(client, pair);
    if (index + 1 < chain.length) assert.deepEqual(again, chain[index + 1]);
    else return again;
  }
}

async function assertDead(client, ...pairs) {
  for (const { access, refresh } of pairs) {
    assert.equal(await client.listTools(access), 401);
    assert.equal((await client.refresh(refresh)).verdict, '400 invalid_grant');
  }
}

// DC-15
serverStory('a kill -9 during refresh keeps what was acknowledged, and the one successor', async ({ server }) => {
  const { client } = await settle(server);
  let contested = await client.connect();
  let chains = [await client.connect(), await client.connect(), await client.connect()];

  for (const moment of REFRESH_MOMENTS) {
    const [acknowledged, ...grown] = await killedAt(server, moment, (heard) =>
      Promise.all([
        refreshTogether(client, contested, heard),
        ...chains.map((first) => refreshInTurn(client, first, heard)),
      ]),
    );

    const successor = await presentAgain(client, contested);
    for (const pair of acknowledged) assert.deepEqual(pair, successor);
    contested = tokens(await client.refresh(successor.refresh));
    chains = [];
    for (const chain of grown) chains.push(await presentChainAgain(client, chain));
  }
});

// OA21-4.1.3-1, OA21-4.1.3-2
serverStory('a kill -9 during redemption gives the tokens of a code once, or never', async ({ server }) => {
  const { client, visitor } = await settle(server);
  let unanswered = 0;

  for (const moment of REDEMPTION_MOMENTS) {
    const code = await client.obtainCode();
    const first = await killedAt(server, moment, async (heard) => heard(await client.redeem(code)));
    assert.ok(['200', 'no answer'].includes(first.verdict), first.text);

    if (first.status === 0) unanswered += 1;
    const answer = first.status === 0 ? await client.redeem(code) : first;
    if (answer.status === 200) {
      const pair = tokens(answer);
      assert.equal(await client.listTools(pair.access), 200);
      const successor = tokens(await client.refresh(pair.refresh));
      assert.equal(await visitor.connectedClients(), 1);

      assert.equal((await client.redeem(code)).verdict, '400 invalid_grant');
      await assertDead(client, pair, successor);
    } else {
      // It was redeemed and the answer was lost: the retry is a replay, so nothing of it may live.
      assert.equal(answer.verdict, '400 invalid_grant');
    }
    assert.equal(await visitor.connectedClients(), 0);
  }
  assert.ok(unanswered > 0, 'no kill was in time');
});

serverStory('a consent that was answered with a code outlives a kill -9', async ({ server }) => {
  const { client } = await settle(server);

  for (let round = 0; round < 3; round += 1) {
    const code = await client.obtainCode();
    await revive(server);
    const { access } = tokens(await client.redeem(code));
    assert.equal(await client.listTools(access), 200);
  }
});

serverStory('a revocation that was answered outlives a kill -9', async ({ server }) => {
  const { client } = await settle(server);
  const [grant, other] = [await client.connect(), await client.connect()];
  for (const { access } of [grant, other]) assert.equal(await client.listTools(access), 200);

  assert.equal((await server.revoke(grant.refresh, client.id)).status, 200);
  await revive(server);
  await assertDead(client, grant);
  assert.equal(await client.listTools(other.access), 200);

  assert.equal((await server.revoke(other.access, client.id)).status, 200);
  await revive(server);
  assert.equal(await client.listTools(other.access), 401);
  assert.equal((await client.refresh(other.refresh)).verdict, '200');
});

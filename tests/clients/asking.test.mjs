// A server asks an application for everything that it may ask for, in the way of each era: its person, its model, its folders.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { engines } from './lib/engines.mjs';
import { startFixture } from './lib/fixture.mjs';
import { kinds } from './lib/kinds.mjs';
import { HEARD_MS } from './lib/server.mjs';
import { play, withBrowser } from './lib/stage.mjs';

const STORY_MS = 90_000;
const FOLDERS = { roots: [{ uri: 'file:///home/ada/work', name: 'Work' }] };
const SAID = { role: 'assistant', content: { type: 'text', text: 'hi from the model' }, model: 'story', stopReason: 'endTurn' };
const FORM = { type: 'object', properties: { name: { type: 'string' } } };
const REQUESTS = {
  model: {
    method: 'sampling/createMessage',
    params: {
      messages: [{ role: 'user', content: { type: 'text', text: 'Say hi' } }],
      includeContext: 'allServers',
      maxTokens: 20,
    },
  },
  person: { method: 'elicitation/create', params: { message: 'Your name?', requestedSchema: FORM } },
  where: { method: 'roots/list' },
};

withBrowser();

for (const engine of engines) {
  for (const kind of kinds) {
    // T33, MRTR-2
    test(`a server asks for all that it may (${kind.name}, ${engine.name})`, { timeout: STORY_MS }, async (told) => {
      const upstream = `${await startFixture(told)}${kind.askedInBetween ? '/sessions' : '/stateless'}`;
      const prompts = [];
      const own = {
        model: ({ params }) => {
          prompts.push(params);
          return SAID;
        },
        folders: () => FOLDERS,
      };
      const asked = () => ({ action: 'accept', content: { name: 'Ada' } });
      await play({ engine, person: {}, kind, asked, own }, async ({ application, server }) => {
        const add = ['server', 'add', '--slug', 'fixture', '--url', upstream, '--auth', 'none', '--new-tools', 'allow'];
        await server.run([...add, '--relays', 'sampling,roots']);
        await server.run(['connection', 'add', '--user', server.demo.email, '--server', 'fixture', '--alias', 'fixture']);
        await application.signIn();

        const result = await application.call('fixture__ask_anything', { requests: REQUESTS });

        const got = JSON.parse(result.content[0].text);
        const answer = (key) => got[key].result ?? got[key];
        assert.deepEqual(answer('model').content, SAID.content);
        assert.deepEqual(answer('where').roots, FOLDERS.roots);
        assert.deepEqual(answer('person').content, { name: 'Ada' });
        assert.equal(prompts.length, 1);
        assert.match(prompts[0].systemPrompt, /the connection "fixture"/);
        assert.equal(prompts[0].includeContext, 'none');
        const search = ['audit', 'search', '--tool', 'fixture__ask_anything', '--json'];
        const { events } = JSON.parse(await server.run(search));
        const counts = events.map(({ detail }) => detail.asked).filter(Boolean);
        assert.deepEqual(counts, [{ elicitation: 1, sampling: 1, roots: 1 }]);

        await server.run(['server', 'set', 'fixture', '--relays', 'none']);
        await pause(HEARD_MS);
        const refused = await application.call('fixture__ask_anything', { requests: { model: REQUESTS.model } });
        assert.ok(refused.isError ?? JSON.parse(refused.content[0].text).model.error, JSON.stringify(refused));
        assert.equal(prompts.length, 1);
      });
    });
  }
}

// The reference servers of the protocol behind the gateway, used by both generations of the SDK: what they do when a client
// speaks with them alone, they do through the gateway.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { engines } from './lib/engines.mjs';
import { kinds } from './lib/kinds.mjs';
import { CHILD_ENVIRONMENT, ReferenceServers } from './lib/reference.mjs';
import { play, withBrowser } from './lib/stage.mjs';

const STORY_MS = 90_000;
// A list waits five seconds for a server.
const PATIENCE = 6;
const LIMITS = { user_calls_per_minute: 10_000, user_lists_per_minute: 10_000, user_tool_calls_per_minute: 10_000 };
const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
// The same server twice: as a child of the gateway, and over HTTP.
const EVERYTHING = ['every', 'web'];

withBrowser();
const text = (result) => result.content.map((block) => block.text ?? '').join('\n');

/** Waits until every server is on the list: those that are still starting are named there, and not waited for. */
async function settled(client) {
  const aliases = () => client.listTools().then(({ tools }) => new Set(tools.map(({ name }) => name.split('__')[0])));
  for (let tries = 0; tries < PATIENCE; tries += 1) {
    if ((await aliases()).size > [...EVERYTHING, 'files', 'memory'].length) return;
  }
}

/** Every story about one desk: an application that is signed in, in front of all the servers. */
const stories = {
  async 'lists what the servers offer, under names that tell them apart'({ client }) {
    const names = (await client.listTools()).tools.map((tool) => tool.name);
    for (const alias of EVERYTHING) {
      assert.ok(names.includes(`${alias}__echo`) && names.includes(`${alias}__get-structured-content`), `${names}`);
    }
    assert.ok(names.includes('files__read_text_file') && names.includes('memory__create_entities'), `${names}`);
    const prompts = (await client.listPrompts()).prompts.map((prompt) => prompt.name);
    const { resources } = await client.listResources();
    const { resourceTemplates } = await client.listResourceTemplates();
    for (const alias of EVERYTHING) {
      assert.ok(prompts.includes(`${alias}__args-prompt`), `${prompts}`);
      assert.ok(resources.some(({ uri }) => uri === `${alias}+demo://resource/static/document/features.md`), JSON.stringify(resources));
      const template = `${alias}+demo://resource/dynamic/text/{resourceId}`;
      assert.ok(resourceTemplates.some(({ uriTemplate }) => uriTemplate === template), JSON.stringify(resourceTemplates));
    }
  },

  async 'calls tools: text, structured content, images, annotations, resources, links'({ application }) {
    for (const alias of EVERYTHING) {
      const call = (tool, args) => application.call(`${alias}__${tool}`, args);
      assert.equal(text(await call('echo', { message: 'grüße' })), 'Echo: grüße');
      assert.equal(text(await call('get-sum', { a: 2, b: 3.5 })), 'The sum of 2 and 3.5 is 5.5.');
      const weather = await call('get-structured-content', { location: 'Chicago' });
      assert.deepEqual(weather.structuredContent, { temperature: 36, conditions: 'Light rain / drizzle', humidity: 82 });
      const image = (await call('get-tiny-image')).content.find(({ type }) => type === 'image');
      assert.equal(image.mimeType, 'image/png');
      assert.deepEqual(Buffer.from(image.data, 'base64').subarray(0, PNG.length), PNG);
      const [annotated] = (await call('get-annotated-message', { messageType: 'error' })).content;
      assert.deepEqual(annotated.annotations, { priority: 1, audience: ['user', 'assistant'] });
      const { content } = await call('get-resource-links', { count: 2 });
      const links = content.filter(({ type }) => type === 'resource_link').map(({ uri }) => uri);
      assert.deepEqual(links, [`${alias}+demo://resource/dynamic/blob/1`, `${alias}+demo://resource/dynamic/text/2`]);
      const [, embedded] = (await call('get-resource-reference', { resourceType: 'Text', resourceId: 7 })).content;
      assert.equal(embedded.resource.uri, `${alias}+demo://resource/dynamic/text/7`);
      assert.match(embedded.resource.text, /^Resource 7: /);
    }
  },

  async 'gets prompts and completions, reads resources by address and by template'({ client }) {
    for (const alias of EVERYTHING) {
      const asked = await client.getPrompt({ name: `${alias}__args-prompt`, arguments: { city: 'Oslo', state: 'Oslo' } });
      assert.equal(asked.messages[0].content.text, "What's weather in Oslo, Oslo?");
      const shown = await client.getPrompt({ name: `${alias}__resource-prompt`, arguments: { resourceType: 'Text', resourceId: '3' } });
      assert.equal(shown.messages[1].content.resource.uri, `${alias}+demo://resource/dynamic/text/3`);
      const { completion } = await client.complete({
        ref: { type: 'ref/prompt', name: `${alias}__completable-prompt` },
        argument: { name: 'name', value: '' },
        context: { arguments: { department: 'Sales' } },
      });
      assert.deepEqual(completion.values, ['David', 'Eve', 'Frank']);
      const document = await client.readResource({ uri: `${alias}+demo://resource/static/document/features.md` });
      assert.equal(document.contents[0].mimeType, 'text/markdown');
      const uri = `${alias}+demo://resource/dynamic/text/12`;
      const dynamic = await client.readResource({ uri });
      assert.equal(dynamic.contents[0].uri, uri);
      await assert.rejects(client.readResource({ uri: `${alias}+demo://resource/nowhere` }));
    }
  },

  async 'tells of errors where the protocol has them'({ application, client }) {
    for (const alias of EVERYTHING) {
      const elsewhere = await application.call(`${alias}__get-structured-content`, { location: 'Atlantis' });
      assert.ok(elsewhere.isError, JSON.stringify(elsewhere));
      await assert.rejects(application.call(`${alias}__there-is-no-such-tool`), { code: -32602 });
      await assert.rejects(client.getPrompt({ name: `${alias}__args-prompt`, arguments: {} }));
    }
  },

  async 'hears of progress while it waits'({ application }) {
    for (const alias of EVERYTHING) {
      const heard = [];
      const options = { onprogress: ({ progress, total }) => heard.push(`${progress}/${total}`) };
      const done = await application.call(`${alias}__trigger-long-running-operation`, { duration: 0.4, steps: 4 }, options);
      assert.match(text(done), /completed/);
      assert.deepEqual(heard, ['1/4', '2/4', '3/4', '4/4']);
    }
  },

  async 'cancels what takes too long, and goes on'({ application, server }) {
    for (const alias of EVERYTHING) {
      const change = new AbortController();
      const options = { signal: change.signal, onprogress: () => change.abort() };
      await assert.rejects(application.call(`${alias}__trigger-long-running-operation`, { duration: 60, steps: 600 }, options));
      assert.equal(text(await application.call(`${alias}__echo`, { message: 'on' })), 'Echo: on');
      const search = ['audit', 'search', '--tool', `${alias}__trigger-long-running-operation`, '--decision', 'failed', '--json'];
      const { events } = JSON.parse(await server.run(search));
      assert.deepEqual(events.map(({ reason }) => reason), ['cancelled']);
    }
  },

  // HTTP26-21. Over HTTP the tool speaks of the session that calls it, which need not be the one that is listened to.
  async 'tells of a resource that somebody watches'({ application }) {
    const uri = 'every+demo://resource/static/document/features.md';
    let hear;
    const told = new Promise((resolve) => (hear = resolve));
    const stop = await application.endpoint.watch(uri, hear);
    // By its name it changes something, so that a person is asked.
    const { person } = application;
    await person.watchApprovals();
    const started = application.call('every__toggle-subscriber-updates');
    await person.approvalThatCameIn();
    await person.decideApproval('approve');
    assert.match(text(await started), /^Started/);
    assert.equal(await told, uri);
    await stop();
  },

  // T33; spec: a server with sessions cannot ask the user of a client without.
  async 'lets a server ask the person, with its name before the question'({ application, questions }) {
    for (const alias of EVERYTHING) {
      questions.length = 0;
      const result = await application.call(`${alias}__trigger-elicitation-request`).catch((error) => ({ error }));
      if (application.kind.askedInBetween) {
        assert.match(text(result), /- Name: Ada[^]*- Favorite Integer: 7/, JSON.stringify(result));
        assert.equal(questions[0].message, `${alias}: Please provide inputs for the following fields:`);
        assert.equal(questions[0].requestedSchema.properties.integer.maximum, 100);
      } else {
        assert.ok(result.isError ?? result.error, JSON.stringify(result));
        assert.deepEqual(questions, []);
      }
    }
  },

  // T33, MRTR-3: in the middle of a call, as in the story before
  async "lets a server ask the client's model, and where it works"({ application, prompts }) {
    for (const alias of EVERYTHING) {
      prompts.length = 0;
      const asks = application.call(`${alias}__trigger-sampling-request`, { prompt: 'Say hi', maxTokens: 20 });
      const result = await asks.catch((error) => ({ error }));
      if (application.kind.askedInBetween) {
        assert.match(text(result), /"text": "hi from the model"/, JSON.stringify(result));
        assert.match(prompts[0].systemPrompt, new RegExp(`"${alias}"[^]*You are a helpful test server`));
        assert.deepEqual([prompts.length, prompts[0].maxTokens], [1, 20]);
      } else {
        assert.ok(result.isError ?? result.error, JSON.stringify(result));
        assert.deepEqual(prompts, []);
      }
    }
    const listed = await application.call('every__get-roots-list').catch((error) => ({ error }));
    if (application.kind.askedInBetween) assert.match(text(listed), /file:\/\/\/home\/ada\/work/);
    else assert.doesNotMatch(JSON.stringify(listed), /ada/);
  },

  // T38
  async 'shows a child nothing of the gateway'({ application }) {
    const { PATH, ...environment } = JSON.parse(text(await application.call('every__get-env')));
    assert.ok(PATH);
    assert.deepEqual(environment, CHILD_ENVIRONMENT);
  },

  async 'reads a folder, and nothing else'({ application, servers }) {
    const [note, dot] = ['note.txt', 'dot.png'].map((name) => path.join(servers.folder, name));
    await writeFile(note, 'two\nlines');
    await writeFile(dot, PNG);
    const listed = await application.call('files__list_directory', { path: servers.folder });
    assert.deepEqual(listed.structuredContent, { content: '[FILE] dot.png\n[FILE] note.txt' });
    const read = await application.call('files__read_text_file', { path: note, head: 1 });
    assert.deepEqual(read.structuredContent, { content: 'two' });
    const [image] = (await application.call('files__read_media_file', { path: dot })).content;
    assert.deepEqual([image.type, image.mimeType, image.data], ['image', 'image/png', PNG.toString('base64')]);
    const outside = await application.call('files__read_text_file', { path: '/etc/passwd' });
    assert.ok(outside.isError);
    assert.match(text(outside), /Access denied/);
  },

  async 'asks a memory, which answers by structured content'({ application, servers }) {
    const ada = { name: 'Ada', entityType: 'person', observations: ['counts'] };
    const engine = { name: 'Engine', entityType: 'machine', observations: [] };
    const relation = { from: 'Ada', to: 'Engine', relationType: 'programs' };
    await servers.remember([ada, engine], [relation]);
    const all = await application.call('memory__read_graph');
    assert.deepEqual(all.structuredContent, { entities: [ada, engine], relations: [relation] });
    const found = await application.call('memory__search_nodes', { query: 'count' });
    assert.deepEqual(found.structuredContent.entities, [ada]);
    assert.ok((await application.call('memory__search_nodes', { query: 7 })).isError);
  },
};

for (const engine of engines) {
  for (const kind of kinds) {
    test(`the reference servers behind the gateway (${kind.name}, ${engine.name})`, { timeout: STORY_MS }, async (told) => {
      const servers = await ReferenceServers.open();
      told.after(() => servers.close());
      const questions = [];
      const asked = ({ params }) => {
        questions.push(params);
        return { action: 'accept', content: { name: 'Ada', integer: 7 } };
      };
      const prompts = [];
      const own = {
        model: ({ params }) => {
          prompts.push(params);
          return { role: 'assistant', content: { type: 'text', text: 'hi from the model' }, model: 'story', stopReason: 'endTurn' };
        },
        folders: () => ({ roots: [{ uri: 'file:///home/ada/work', name: 'Work' }] }),
      };
      await play({ engine, settings: LIMITS, person: {}, kind, asked, own }, async ({ application, server }) => {
        await servers.offer(server);
        await application.signIn();
        await settled(application.client);
        const desk = { application, server, servers, questions, prompts, client: application.client };
        for (const [says, tell] of Object.entries(stories)) await told.test(says, () => tell(desk));
      });
    });
  }
}

// Owns the call that waits for a person, as the stories about approvals make it: each `title` is a call of its own.

import { Speaker } from './speaker.mjs';

/** More calls than people make: a story tells many ends of one tool within its minute. */
export const ROOM = { user_calls_per_minute: 1_000, user_tool_calls_per_minute: 1_000 };

export const create = (application, title) =>
  application.call('sandbox__create_note', { title, text: 'Buy milk' });

/** What a model reads. */
export function text(result) {
  return result.content.map((block) => block.text).join('\n');
}

/** The match code in a text for people or models. */
export function codeIn(told) {
  const [, code] = told.match(/code ([A-Z]{4})\b/i) ?? [];
  return code;
}

/** Where the calls of a story stand, in the order in which they were made. */
export async function states(server) {
  const listed = JSON.parse(await server.run(['approvals', 'list', '--json']));
  return listed.map(({ state }) => state).reverse();
}

/** A client that says request by request what it can be asked, signed in without a browser. */
export async function speaking(requester, resource = requester.server.demo.mcp_url, capabilities = {}) {
  const { access } = await requester.connect(resource);
  return new Speaker(resource, access, { revision: '2026-07-28', capabilities }).open();
}

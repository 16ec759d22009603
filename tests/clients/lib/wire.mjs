// Owns plain HTTP as the stories without a browser need it: an answer is either read to its end or
// counts as none, and forms are sent as they stand on the page.

const NO_ANSWER = { status: 0, verdict: 'no answer', text: '', headers: new Headers() };
const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"' };

/** The whole answer. When the server died before its end, nothing was acknowledged: `no answer`. */
export async function ask(url, init = {}) {
  try {
    const response = await fetch(url, { redirect: 'manual', ...init });
    const text = await response.text();
    return { status: response.status, verdict: verdict(response.status, text), text, headers: response.headers };
  } catch (error) {
    // How fetch tells of a connection that was refused or cut off.
    if (error instanceof TypeError) return NO_ANSWER;
    throw error;
  }
}

export function post(url, fields, headers = {}) {
  return ask(url, form(fields, headers));
}

/** What makes a request carry a form. */
export function form(fields, headers = {}) {
  const type = { 'content-type': 'application/x-www-form-urlencoded' };
  return { method: 'POST', body: `${new URLSearchParams(fields)}`, headers: { ...type, ...headers } };
}

/** The status and, for an OAuth error, its code: `400 invalid_grant`. */
export function verdict(status, text) {
  const [, code = ''] = /^\{.*"error":"(\w+)"/s.exec(text) ?? [];
  return `${status} ${code}`.trim();
}

/** What a browser would send of the form with this action: hidden fields and ticked boxes. */
export function formFields(page, action) {
  const form = page.split('<form').find((part) => part.includes(`action="${action}"`)) ?? '';
  const fields = new URLSearchParams();
  for (const [tag] of form.matchAll(/<input [^>]*>/g)) {
    const sent = tag.includes('type="hidden"') || (tag.includes('type="checkbox"') && / checked\b/.test(tag));
    if (sent) fields.append(attribute(tag, 'name'), attribute(tag, 'value'));
  }
  return fields;
}

function attribute(tag, name) {
  const [, value = ''] = new RegExp(` ${name}="([^"]*)"`).exec(tag) ?? [];
  const character = (_, number, word) => (number ? String.fromCodePoint(number) : ENTITIES[word]);
  return value.replace(/&(?:#(\d+)|(\w+));/g, character);
}

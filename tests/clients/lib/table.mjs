// Owns the table of results in docs/clients.md: made from what was played, and compared with what stands there.

import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { outcomes } from './claims.mjs';
import { engines } from './engines.mjs';

const PAGE = new URL('../../../docs/clients.md', import.meta.url);
const [BEGIN, END] = ['<!-- table: begin -->\n', '<!-- table: end -->'];
const HEAD = '| client | what it does | here |\n|---|---|---|\n';

/** The last test: the page tells what was played. `UPDATE_CLIENTS=1` writes it instead. */
export function tellTable(profiles) {
  test('docs/clients.md shows what was played', async () => {
    const page = await readFile(PAGE, 'utf8');
    const [before, after] = [page.indexOf(BEGIN) + BEGIN.length, page.indexOf(END)];
    const fresh = page.slice(0, before) + HEAD + profiles.flatMap(rows).join('') + page.slice(after);
    if (process.env.UPDATE_CLIENTS) await writeFile(PAGE, fresh);
    else assert.ok(fresh === page, 'docs/clients.md is stale: run profiles.test.mjs once with UPDATE_CLIENTS=1');
  });
}

function rows({ client, claims }) {
  return claims.map(({ says }) => `| ${client} | ${says} | ${result(client, says)} |\n`);
}

/** The same on every engine, or there is nothing to tell. */
function result(client, says) {
  const found = new Set(engines.map((engine) => outcomes.get([client, says, engine.name].join('\n'))));
  assert.equal(found.size, 1, `${client} ${says}: ${[...found]}`);
  const [outcome] = found;
  assert.notEqual(outcome, 'failed', `${client} ${says}`);
  return outcome === 'played' ? 'yes' : `not ${outcome}`;
}

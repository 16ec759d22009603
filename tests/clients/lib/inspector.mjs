// Owns a client that is a web page: its requests are fetches of a real browser, so that it reads of an answer what CORS
// lets it read, and it learns the code from its own address.

import { verdict } from './wire.mjs';

const PAGE = '<!doctype html><title>Inspector</title>The page of another origin.';

/** Makes a person's browser show a page at `origin`, and gives a player whose requests that page sends. */
export async function pagePlayer(scene, person, origin) {
  // Chromium from 142 on asks people before a page may call this computer; those before do not know the permission.
  await person.context.grantPermissions(['local-network-access']).catch(() => {});
  await person.page.route(`${origin}/**`, (route) => route.fulfill({ contentType: 'text/html', body: PAGE }));
  await person.page.goto(`${origin}/`);

  const player = scene.player({ page: origin }, { visit: (url) => visit(person, url, origin) });
  player.places.page = origin;
  player.send = (url, init) => fetchThere(person.page, `${url}`, init);
  return player;
}

async function fetchThere(page, url, init) {
  const { status, text, headers } = await page.evaluate(
    async ([to, how]) => {
      const response = await fetch(to, how);
      return { status: response.status, text: await response.text(), headers: [...response.headers] };
    },
    [url, init],
  );
  return { status, text, headers: new Headers(headers), verdict: verdict(status, text) };
}

async function visit(person, url, origin) {
  const page = await person.decide(url);
  await person.page.waitForURL(`${origin}/**`);
  return { page, location: new URL(person.page.url()) };
}

// Owns the person as a command, for clients that are not written in JavaScript: opens an authorization
// URL, signs in, allows everything, and prints the text of the consent page once the client has its answer.
//
//   node visit.mjs URL EMAIL PASSWORD

import { launchBrowser, Person } from './browser.mjs';

const [url, email, password] = process.argv.slice(2);
if (!password) throw new Error('usage: node visit.mjs URL EMAIL PASSWORD');

const browser = await launchBrowser();
try {
  const person = await Person.sitDown(browser, { email, password });
  const consent = await person.decide(url);
  await person.page.waitForURL((here) => here.origin !== new URL(url).origin);
  console.log(consent);
} finally {
  await browser.close();
}

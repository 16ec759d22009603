// Owns the person as a command who connects the gateway to an upstream server: opens the page of a connection, signs in,
// follows its button to the server's own authorization server and back, and prints the text of the page then.
//
//   node authorise.mjs PAGE EMAIL PASSWORD

import { launchBrowser, Person } from './browser.mjs';

const [page, email, password] = process.argv.slice(2);
if (!password) throw new Error('usage: node authorise.mjs PAGE EMAIL PASSWORD');

const browser = await launchBrowser();
try {
  const person = await Person.sitDown(browser, { email, password });
  console.log(await person.authorise(page));
} finally {
  await browser.close();
}

// Owns the person as a command who decides about a call: opens the page of approvals, or of the one that a client was told,
// signs in, presses the button, and prints what stood there before.
//
//   node approve.mjs PAGE EMAIL PASSWORD approve|deny

import { launchBrowser, Person } from './browser.mjs';

const [page, email, password, decision] = process.argv.slice(2);
if (!decision) throw new Error('usage: node approve.mjs PAGE EMAIL PASSWORD approve|deny');

const browser = await launchBrowser();
try {
  const person = await Person.sitDown(browser, { email, password });
  await person.openApproval(page);
  console.log(await person.approvalThatCameIn());
  await person.decideApproval(decision);
} finally {
  await browser.close();
}

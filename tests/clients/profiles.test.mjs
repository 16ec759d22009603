// Every client of docs/clients.md, as it was recorded: what it registers, where it is answered, what it asks and in which
// order, and the habits that broke it elsewhere.

import { withBrowser } from './lib/stage.mjs';
import { tell } from './lib/claims.mjs';
import claudeCode from './profiles/claude-code.mjs';

const browser = withBrowser();
for (const profile of [claudeCode]) tell(profile, browser);

// Every client of docs/clients.md, as it was recorded: what it registers, where it is answered, what it asks and in which
// order, and the habits that broke it elsewhere.

import { withBrowser } from './lib/stage.mjs';
import { tell } from './lib/claims.mjs';
import chatgpt from './profiles/chatgpt.mjs';
import claudeAi from './profiles/claude-ai.mjs';
import claudeCode from './profiles/claude-code.mjs';
import codex from './profiles/codex.mjs';
import cursor from './profiles/cursor.mjs';
import legacy from './profiles/legacy.mjs';
import mcpRemote from './profiles/mcp-remote.mjs';
import sdk from './profiles/sdk.mjs';
import vscode from './profiles/vscode.mjs';

const browser = withBrowser();
for (const profile of [claudeCode, claudeAi, chatgpt, vscode, cursor, codex, mcpRemote, sdk, legacy]) tell(profile, browser);

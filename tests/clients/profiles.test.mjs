// Every client of docs/clients.md, as it was recorded: what it registers, where it is answered, what it asks and in which
// order, and the habits that broke it elsewhere.

import { tell } from './lib/claims.mjs';
import { withBrowser } from './lib/stage.mjs';
import { tellTable } from './lib/table.mjs';
import chatgpt from './profiles/chatgpt.mjs';
import claudeAi from './profiles/claude-ai.mjs';
import claudeCode from './profiles/claude-code.mjs';
import codex from './profiles/codex.mjs';
import cursor from './profiles/cursor.mjs';
import inspector from './profiles/inspector.mjs';
import legacy from './profiles/legacy.mjs';
import mcpRemote from './profiles/mcp-remote.mjs';
import sdk, { atDefaultPort } from './profiles/sdk.mjs';
import vscode from './profiles/vscode.mjs';

const profiles = [claudeCode, claudeAi, chatgpt, vscode, cursor, codex, inspector, mcpRemote, sdk, atDefaultPort(sdk), legacy];

const browser = withBrowser();
for (const profile of profiles) tell(profile, browser);
tellTable(profiles);

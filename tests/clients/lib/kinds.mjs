// Owns the difference between the two SDK generations, so that every story is told with both:
// 1.32 speaks the revisions with sessions, 2.4 negotiates 2026-07-28.

import * as modern from '@modelcontextprotocol/client';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';

const IDENTITY = { name: 'portcullis-real-clients', version: '1.0.0' };
// What a client declares that can put a form before its user.
const FORMS = { capabilities: { elicitation: { form: {} } } };

const sessions = {
  name: 'SDK 1.32 with sessions',
  revision: '2025-11-25',
  // Answers a 403 with a refresh, which cannot widen anything, and gives up.
  stepsUp: false,
  // Servers ask their questions in the middle of a request.
  askedInBetween: true,
  Unauthorized: UnauthorizedError,
  call: (client, params, options) => client.callTool(params, undefined, options),
  /** `asked`: who answers the forms of servers; without it the client declares that nobody does. */
  make(url, authProvider, fetch, asked) {
    const client = new Client(IDENTITY, asked && FORMS);
    if (asked) client.setRequestHandler(ElicitRequestSchema, asked);
    const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider, fetch });
    return {
      client,
      connect: () => client.connect(transport),
      finish: (answer) => transport.finishAuth(answer.get('code')),
      revision: () => transport.protocolVersion,
    };
  },
};

const stateless = {
  name: 'SDK 2.4 at 2026-07-28',
  revision: '2026-07-28',
  // Answers a 403 by asking the user again, for the union of all scopes.
  stepsUp: true,
  // Servers ask with their answer, which begins another round.
  askedInBetween: false,
  Unauthorized: modern.UnauthorizedError,
  call: (client, params, options) => client.callTool(params, options),
  make(url, authProvider, fetch, asked) {
    const client = new modern.Client(IDENTITY, { versionNegotiation: { mode: 'auto' }, ...(asked && FORMS) });
    if (asked) client.setRequestHandler('elicitation/create', asked);
    const transport = new modern.StreamableHTTPClientTransport(new URL(url), { authProvider, fetch });
    return {
      client,
      connect: () => client.connect(transport),
      // Given all parameters, this SDK also checks `iss` (RFC 9207 §2.4).
      finish: (answer) => transport.finishAuth(answer),
      revision: () => client.getNegotiatedProtocolVersion(),
    };
  },
};

export const kinds = [sessions, stateless];

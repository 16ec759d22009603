// Owns the difference between the SDK generations, so that every story is told with all that it is about: 1.32 speaks the
// revisions with sessions, 2.4 negotiates 2026-07-28, and 1.23 is the last that knows nothing after 2025-06-18.

import * as modern from '@modelcontextprotocol/client';

const IDENTITY = { name: 'portcullis-real-clients', version: '1.0.0' };

/**
 * What a client declares: how it can put a question before its user, if at all (`{ form: {} }`, `{ url: {} }`), and that
 * servers may ask for what is its `own`.
 */
const declared = (able, own) => ({ capabilities: { ...(able && { elicitation: able }), ...(own && { sampling: {}, roots: {} }) } });

/** A generation with sessions. `sdk`: the package. */
async function withSessions(sdk, { name, revision }) {
  const load = (file) => import(`${sdk}/${file}.js`);
  const [{ UnauthorizedError }, { Client }, { StreamableHTTPClientTransport }, types] = await Promise.all(
    ['client/auth', 'client/index', 'client/streamableHttp', 'types'].map(load),
  );
  return {
    name,
    revision,
    // Answers a 403 with a refresh, which cannot widen anything, and gives up.
    stepsUp: false,
    // Servers ask their questions in the middle of a request.
    askedInBetween: true,
    Unauthorized: UnauthorizedError,
    call: (client, params, options) => client.callTool(params, undefined, options),
    /**
     * `asked`: who answers the questions of servers that the client declares itself `able` to put before them. `own`: its
     * `model` and its `folders`, if servers may ask for them.
     */
    make(url, { authProvider, fetch, asked, able, own }) {
      const client = new Client(IDENTITY, declared(able, own));
      if (able) client.setRequestHandler(types.ElicitRequestSchema, asked);
      if (own) {
        client.setRequestHandler(types.CreateMessageRequestSchema, own.model);
        client.setRequestHandler(types.ListRootsRequestSchema, own.folders);
      }
      const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider, fetch });
      return {
        client,
        connect: () => client.connect(transport),
        finish: (answer) => transport.finishAuth(answer.get('code')),
        revision: () => transport.protocolVersion,
        /** Lets `hear` be told whenever a resource changes, until what this gives is called. */
        async watch(uri, hear) {
          client.setNotificationHandler(types.ResourceUpdatedNotificationSchema, ({ params }) => hear(params.uri));
          await client.subscribeResource({ uri });
          return () => client.unsubscribeResource({ uri });
        },
        /** The name of the next address of which the server says that all is done there. */
        completed: () =>
          new Promise((resolve) => {
            const hear = ({ params }) => resolve(params.elicitationId);
            client.setNotificationHandler(types.ElicitationCompleteNotificationSchema, hear);
          }),
      };
    },
  };
}

const stateless = {
  name: 'SDK 2.4 at 2026-07-28',
  revision: '2026-07-28',
  // Answers a 403 by asking the user again, for the union of all scopes.
  stepsUp: true,
  // Servers ask with their answer, which begins another round.
  askedInBetween: false,
  Unauthorized: modern.UnauthorizedError,
  call: (client, params, options) => client.callTool(params, options),
  make(url, { authProvider, fetch, asked, able, own }) {
    const client = new modern.Client(IDENTITY, { versionNegotiation: { mode: 'auto' }, ...declared(able, own) });
    if (able) client.setRequestHandler('elicitation/create', asked);
    if (own) {
      client.setRequestHandler('sampling/createMessage', own.model);
      client.setRequestHandler('roots/list', own.folders);
    }
    const transport = new modern.StreamableHTTPClientTransport(new URL(url), { authProvider, fetch });
    return {
      client,
      connect: () => client.connect(transport),
      // Given all parameters, this SDK also checks `iss` (RFC 9207 §2.4).
      finish: (answer) => transport.finishAuth(answer),
      revision: () => client.getNegotiatedProtocolVersion(),
      async watch(uri, hear) {
        client.setNotificationHandler('notifications/resources/updated', ({ params }) => hear(params.uri));
        const stream = await client.listen({ resourceSubscriptions: [uri] });
        return () => stream.close();
      },
    };
  },
};

const sessions = await withSessions('@modelcontextprotocol/sdk', { name: 'SDK 1.32 with sessions', revision: '2025-11-25' });
const earlier = await withSessions('sdk-of-2025-06-18', { name: 'SDK 1.23 with sessions', revision: '2025-06-18' });

/** Those with which every story is told. */
export const kinds = [sessions, stateless];
/** Every generation, for stories in which each revision does something of its own. */
export const generations = { sessions, stateless, earlier };

// The process as its operator meets it: it ends when asked, quickly, and says that all went well.

import assert from 'node:assert/strict';
import { serverStory } from './lib/stage.mjs';

for (const signal of ['SIGTERM', 'SIGINT']) {
  serverStory(`${signal} stops the server within five seconds`, async ({ server }) => {
    // Leaves an idle keep-alive connection behind, which must not hold the server up.
    await server.metadata();

    const { code, milliseconds } = await server.stop(signal);

    assert.equal(code, 0);
    assert.ok(milliseconds < 5_000, `it took ${milliseconds} ms`);
    await assert.rejects(fetch(server.origin));
  });
}

// Owns the publisher of a client's metadata document (Client ID Metadata Documents): a loopback listener with the document
// and, for a client that proves itself by a key, the public half of that key; and the assertions made with the other half.

import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

const PATH = '/oauth/client-metadata';
const KEYS = '/oauth/jwks';
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const ASSERTION_SECONDS = 60;

/** Publishes a document while `body` runs, which is given its place. `{document}` and `{keys}` in it become URLs. */
export async function withDocument(document, body) {
  const place = { key: generateKeyPairSync('ec', { namedCurve: 'P-256' }), kid: randomUUID() };
  const server = createServer((request, response) => {
    const text = { [PATH]: place.text, [KEYS]: place.jwks }[request.url];
    response.writeHead(text ? 200 : 404, { 'content-type': 'application/json' }).end(text);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${server.address().port}`;
  place.url = origin + PATH;
  place.text = JSON.stringify(document).replaceAll('{document}', place.url).replaceAll('{keys}', origin + KEYS);
  const jwk = { ...place.key.publicKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: place.kid };
  place.jwks = JSON.stringify({ keys: [jwk] });
  try {
    return await body(place);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** An installation of the client that names its document instead of registering. */
export function documentPlayer(scene, place, changes = {}) {
  const player = scene.player(changes);
  player.identify = () => {
    player.client = place.url;
  };
  return player;
}

/** Lets a player prove itself by the document's key (RFC 7523 §2.2, `private_key_jwt`). */
export function provenByKey(player, place) {
  player.authentication = () => ({
    client_id: place.url,
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: assertion(place, player.metadata.issuer),
  });
  return player;
}

/** DC-22: the audience is the issuer, one string. */
export function assertion({ key, kid, url }, audience) {
  const now = Math.floor(Date.now() / 1_000);
  const claims = { iss: url, sub: url, aud: audience, jti: randomUUID(), iat: now, exp: now + ASSERTION_SECONDS };
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'ES256', typ: 'JWT', kid })}.${part(claims)}`;
  const signature = sign('sha256', Buffer.from(signed), { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

// Owns one process of several that share a refresh token: says that it is ready, waits for the request on its standard
// input, sends it, and prints what it was answered.

import { createInterface } from 'node:readline';
import { post } from './wire.mjs';

console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const { url, fields, headers } = JSON.parse(line);
  const { status, text } = await post(url, fields, headers);
  console.log(JSON.stringify({ status, text }));
}

// Owns the secrets that went over the wire, and the question whether one of them stands in a log
// (R9700-4.9.3-1, ASVS-16.2.5). What is shaped like a secret of the server is found without being kept here.

const SHAPE = /pcl_(?:at|rt|ac|cs|ar|dc|dr|xs|su|ms|dv)_[\w-]{40,}/;
const LEAST = 12;
const kept = new Set();

/** Remembers secrets that have no shape of their own: passwords, verifiers, the values of cookies. */
export function keep(...secrets) {
  for (const secret of secrets) if (secret?.length >= LEAST) kept.add(secret);
}

/** The lines of a log that hold a secret. */
export function leaks(log) {
  return log.split('\n').filter((line) => SHAPE.test(line) || [...kept].some((secret) => line.includes(secret)));
}

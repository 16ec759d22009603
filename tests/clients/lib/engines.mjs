// Owns the choice of the database: every story is told on SQLite, and again on PostgreSQL where
// PORTCULLIS_TEST_POSTGRES names a server on which we may create databases.

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

const POSTGRES = process.env.PORTCULLIS_TEST_POSTGRES;
const run = promisify(execFile);

function psql(statement) {
  const quiet = { ...process.env, PGOPTIONS: '-c client_min_messages=warning' };
  return run('psql', ['--no-psqlrc', '--quiet', '--set=ON_ERROR_STOP=1', '--command', statement, POSTGRES], { env: quiet });
}

const sqlite = {
  name: 'SQLite',
  async fresh() {
    return { drop: async () => {} };
  },
};

const postgres = {
  name: 'PostgreSQL',
  async fresh() {
    const name = `clients_${randomBytes(8).toString('hex')}`;
    await psql(`CREATE DATABASE ${name}`);
    const url = new URL(POSTGRES);
    url.pathname = `/${name}`;
    return { url: url.href, drop: () => psql(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
  },
};

export const engines = POSTGRES ? [sqlite, postgres] : [sqlite];

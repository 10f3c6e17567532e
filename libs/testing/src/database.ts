import { randomBytes } from 'node:crypto';
import { Client, Pool } from 'pg';

/** A database of its own on the throw-away server of the test run. */
export interface FreshDatabase {
  readonly url: string;
  readonly pool: Pool;
  drop(): Promise<void>;
}

/** Makes an empty database. The server is started by the run's global set-up, which leaves its URL in the environment. */
export async function freshDatabase(): Promise<FreshDatabase> {
  const server = process.env['SYMBOLON_TEST_DATABASE'];
  if (!server) throw new Error('no test server: run the tests through jest.config.cjs');
  const name = `t_${randomBytes(6).toString('hex')}`;
  await onServer(server, `create database ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  const pool = new Pool({ connectionString: url.href, max: 20 });
  pool.on('error', () => undefined);
  return {
    url: url.href,
    pool,
    drop: async () => {
      await pool.end();
      await onServer(server, `drop database if exists ${name} with (force)`);
    },
  };
}

async function onServer(server: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: server, connectionTimeoutMillis: 20_000, query_timeout: 60_000 });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
